"""What the pipeline writes down of every file that it takes and of every partition that it makes.

An input's manifest is `manifests/<kind>/<vintage>/<sha256>.json`; a partition's lies beside its files as
`_manifest.json`, where Hive and Spark do not look.
"""

import re
from typing import Literal, TypeVar

import msgspec

from batch_jobs.storage import Storage
from headrace.errors import StorageUnusable

Kind = Literal["origination", "performance"]
T = TypeVar("T")
OUTPUT_MANIFEST = "_manifest.json"


class Split(msgspec.Struct, frozen=True):
    """Whole lines of a file: bytes `start` .. `end`; its first line has the number `first_line`, from 1."""

    start: int
    end: int
    first_line: int
    rows: int


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One loan file, as the census found it.

    `path` is absolute, or below the storage's root when `held`. `losses` tells the sign of a loss in it.
    """

    kind: Kind
    vintage: str  # 2005Q1, or 2005 for a sample of a whole year
    layout: Literal["legacy", "r47"]
    losses: Literal["positive", "negative"]
    name: str
    path: str
    held: bool
    sha256: str
    bytes: int
    rows: int
    splits: tuple[Split, ...]
    taken_at: str

    @property
    def source(self) -> str:
        """What its lines are numbered under."""
        return f"batch/{self.name}/{self.sha256[:16]}"

    @property
    def manifest(self) -> str:
        """The path of its manifest below the storage's root."""
        return f"manifests/{self.kind}/{self.vintage}/{self.sha256}.json"


class DataFile(msgspec.Struct, frozen=True):
    """One file of a partition, by its path below the storage's root."""

    path: str
    bytes: int
    rows: int


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of a table: rows_in = rows + the sum of `rejected`, which counts lines by reject code."""

    table: str
    vintage: str
    input_name: str
    input_sha256: str
    rows_in: int
    rows: int
    rejected: dict[str, int]
    folder: str
    files: tuple[DataFile, ...]
    error_files: tuple[DataFile, ...]


def partition_of(vintage: str) -> tuple[int, int]:
    """(year, quarter) of `2005Q1`; the quarter of a whole year is 0."""
    year, _, quarter = vintage.partition("Q")
    return int(year), int(quarter or 0)


def is_vintage(text: str) -> bool:
    """Whether it is a year, or a quarter of one."""
    return re.fullmatch(r"(?:19|20)[0-9]{2}(?:Q[1-4])?", text) is not None


def read_input(storage: Storage, path: str) -> Input:
    """The manifest of an input. Raises StorageUnusable."""
    return _read(storage, path, Input)


def read_output(storage: Storage, folder: str) -> Output:
    """The manifest of the partition that lies in the folder. Raises StorageUnusable."""
    return _read(storage, f"{folder}/{OUTPUT_MANIFEST}", Output)


def write_input(storage: Storage, entry: Input) -> None:
    """Write an input's manifest. Raises StorageUnusable."""
    storage.write(entry.manifest, _text(entry))


def write_output(storage: Storage, entry: Output) -> None:
    """Write a partition's manifest beside its files. Raises StorageUnusable."""
    storage.write(f"{entry.folder}/{OUTPUT_MANIFEST}", _text(entry))


def inputs(storage: Storage, kind: Kind) -> list[Input]:
    """Every input that was taken, by vintage; of one vintage the newest last. Raises StorageUnusable."""
    found = [
        read_input(storage, path) for path in storage.list(f"manifests/{kind}") if path.endswith(".json")
    ]
    return sorted(found, key=lambda entry: (entry.vintage, entry.taken_at))


def _read(storage: Storage, path: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(storage.read(path), type=kind)
    except msgspec.DecodeError as error:
        raise StorageUnusable(f"{storage.place(path)} is no manifest: {error}") from error


def _text(entry: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(entry), indent=1) + b"\n"
