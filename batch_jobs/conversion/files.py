"""The files that a piece of an input becomes: rows as Parquet, rejects as packed lines."""

import gzip
from collections.abc import Container, Iterable
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from batch_jobs.manifest import DataFile
from batch_jobs.storage import Storage
from headrace.schemas import codec
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE
from headrace.schemas.reject_codes import Stage
from headrace.schemas.tables import Table
from headrace.schemas.verdict import Rejection
from headrace.warehouse.staging import arrow_schema

GROUP = 1 << 18  # rows of a row group
_LEVEL = 6

_ALL_DIFFERENT = {
    LOAN_ORIGINATIONS.name: {"loan_identifier", "file_line"},
    LOAN_PERFORMANCE.name: {"current_actual_upb", "current_interest_bearing_upb", "file_line"},
}
"""Columns whose values hardly repeat: a dictionary of them would be larger than they are, and takes time."""


class _LazyFile:
    """A file that is made once there is something to write, and is there whole when the block ends well."""

    def __init__(self, storage: Storage, path: str) -> None:
        self._storage, self._path, self._stack = storage, path, ExitStack()
        self._open = False
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _enter(self) -> Any:  # noqa: ANN401  a pyarrow file, which has no types
        self._open = True
        return self._stack.enter_context(self._storage.create(self._path))

    @property
    def entry(self) -> DataFile | None:
        """What is there now; None when nothing was written."""
        if not self._open:
            return None
        return DataFile(self._path, self._storage.size(self._path), self.rows)


class ParquetFile(_LazyFile):
    """Rows, with the physical types that Spark gives its own files."""

    def __init__(
        self, storage: Storage, path: str, schema: pa.Schema, all_different: Container[str] = ()
    ) -> None:
        super().__init__(storage, path)
        self._schema = schema
        self._repeating = [name for name in schema.names if name not in all_different]
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Append rows."""
        if not rows.num_rows:
            return
        if self._writer is None:
            self._writer = self._stack.enter_context(
                pq.ParquetWriter(
                    self._enter(),
                    self._schema,
                    store_decimal_as_integer=True,
                    use_dictionary=self._repeating,
                )
            )
        for batch in rows.to_batches():
            self._writer.write_batch(batch, row_group_size=GROUP)
        self.rows += rows.num_rows


def rows_file(storage: Storage, path: str, table: Table) -> ParquetFile:
    """A file of rows of the table."""
    return ParquetFile(storage, path, arrow_schema(table), _ALL_DIFFERENT[table.name])


class RejectsFile(_LazyFile):
    """One `reject.v1` event a line, gzip; the same rejections give the same bytes."""

    def __init__(self, storage: Storage, path: str, time: datetime) -> None:
        super().__init__(storage, path)
        self._time = time
        self._packed: gzip.GzipFile | None = None
        self.codes: dict[str, int] = {}

    def write(self, rejections: Iterable[Rejection]) -> None:
        """Append rejections; each has its source and the number of its line."""
        for rejection in rejections:
            if self._packed is None:
                self._packed = self._stack.enter_context(
                    gzip.GzipFile("", "wb", _LEVEL, fileobj=self._enter(), mtime=0)
                )
            self._packed.write(self._line(rejection))
            self.codes[rejection.code] = self.codes.get(rejection.code, 0) + 1
            self.rows += 1

    def _line(self, rejection: Rejection) -> bytes:
        source, sequence = rejection.source or "", rejection.sequence or 0
        return (
            codec.reject_event(
                rejection, stage=Stage.BATCH, source=source, sequence=sequence, time=self._time
            )
            + b"\n"
        )
