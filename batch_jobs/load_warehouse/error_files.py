"""A partition's rejects, from its error files to rows of `rejects`, in bounded memory."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from batch_jobs.manifest import DataFile
from batch_jobs.storage import Storage
from headrace.errors import LoadMismatch, StorageUnusable
from headrace.schemas.codec import Event, decode
from headrace.schemas.records.reject import Reject
from headrace.warehouse.staging import arrow_schema
from headrace.warehouse.system_tables import REJECTS

LINES_AT_ONCE, BYTES_AT_ONCE = 20_000, 16 * 1024 * 1024


def parts(storage: Storage, files: Sequence[DataFile]) -> Iterator[pa.Table]:
    """The rows, one per id in each part; the sum of `seen` is the number of lines.

    Raises LoadMismatch when a file is not as its manifest says, or a line no `reject.v1`.
    """
    rows: dict[str, dict[str, Any]] = {}
    lines = size = 0
    for file in files:
        for line in _lines(storage, file):
            _fold(rows, line, storage.place(file.path))
            lines, size = lines + 1, size + len(line)
            if lines == LINES_AT_ONCE or size >= BYTES_AT_ONCE:
                yield _table(rows)
                rows, lines, size = {}, 0, 0
    if rows:
        yield _table(rows)


def _lines(storage: Storage, file: DataFile) -> Iterator[bytes]:
    place, count = storage.place(file.path), 0
    try:
        with storage.open(file.path) as opened, gzip.open(opened) as text:
            for line in text:
                count += 1
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise StorageUnusable(f"{place}: {error}") from error
    if count != file.rows:
        raise LoadMismatch(f"{place} has {count:,} lines, the manifest says {file.rows:,}")


def _fold(rows: dict[str, dict[str, Any]], line: bytes, place: str) -> None:
    event = decode(line)
    if not (isinstance(event, Event) and isinstance(event.data, Reject)):
        raise LoadMismatch(f"{place} holds a line that is no reject.v1: {line[:200]!r}")
    row = rows.setdefault(event.data.id, _row(event, event.data))
    row["seen"] += 1
    row["first_seen"] = min(row["first_seen"], event.time)
    row["last_seen"] = max(row["last_seen"], event.time)


def _row(event: Event, data: Reject) -> dict[str, Any]:
    """The reject's row, not yet seen; the first line of several with the same bytes gives its number."""
    return {
        "id": data.id,
        "stage": data.stage,
        "code": data.code,
        "record_type": data.record_type,
        "source": event.source,
        "sequence": int(event.sequence or 0),
        "errors": msgspec.json.encode(data.errors).decode(),
        "raw": data.raw,
        "raw_length": data.raw_length,
        "raw_sha256": data.raw_sha256,
        "raw_place": data.raw_place,
        "first_seen": event.time,
        "last_seen": event.time,
        "seen": 0,
        "seen_on_errors": 0,
    }


def _table(rows: dict[str, dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(REJECTS))
