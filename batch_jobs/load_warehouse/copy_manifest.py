"""The manifest that names exactly the files of one COPY, as Redshift reads it.

Source: Amazon Redshift Database Developer Guide, "Using a manifest to specify data files": an entry for a
columnar file says its length. Never a prefix instead: a run that was broken off leaves files there.
"""

import msgspec

from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from headrace.errors import StorageUnusable

NAME = "_copy.json"


class Meta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a file; `record_count` is what UNLOAD adds."""

    content_length: int
    record_count: int | None = None


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file."""

    url: str
    meta: Meta
    mandatory: bool | None = None


class CopyManifest(msgspec.Struct, frozen=True):
    """All files."""

    entries: list[Entry]


def write(storage: Storage, output: Output) -> str:
    """Write the manifest of a partition beside its files; its path. Raises StorageUnusable."""
    entries = [
        Entry(storage.uri(file.path), Meta(file.bytes, file.rows), mandatory=True) for file in output.files
    ]
    path = f"{output.folder}/{NAME}"
    storage.write(path, encode(entries))
    return path


def encode(entries: list[Entry]) -> bytes:
    """The manifest's bytes."""
    return msgspec.json.format(msgspec.json.encode(CopyManifest(entries)), indent=1) + b"\n"


def paths(storage: Storage, manifest: str) -> list[str]:
    """The files that the manifest at this path names, below the storage's root. Raises StorageUnusable."""
    try:
        entries = msgspec.json.decode(storage.read(manifest), type=CopyManifest).entries
    except msgspec.DecodeError as error:
        raise StorageUnusable(f"{storage.place(manifest)} is no manifest: {error}") from error
    root = storage.uri("")
    if strange := [entry.url for entry in entries if not entry.url.startswith(root)]:
        raise StorageUnusable(f"{storage.place(manifest)} names files elsewhere: {strange[:3]}")
    return [entry.url.removeprefix(root) for entry in entries]
