"""Merges a shard's rows, whatever becomes of the warehouse or of a single row."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from headrace.errors import WarehouseRefused, WarehouseUnavailable
from headrace.ops.logs import get_logger
from headrace.warehouse.desk import Desk, Position
from stream_jobs.error_desk.rows import Placed
from stream_jobs.fold.reject_rows import fold_by_id
from stream_jobs.patience import Told, Waits, patiently

_BARE = {"errors": "[]", "record_type": None, "source": None, "sequence": None, "raw_place": None}
"""Of a row that the warehouse refuses, what is left out first; then its bytes stay in the stream alone."""


class Merging:
    """Brings the rows of one shard into the warehouse."""

    def __init__(self, desk: Desk, stream: str, shard: str, *, waits: Waits, told: Told) -> None:
        """`stream` is the stream's identity, with its creation."""
        self._desk = desk
        self._stream = stream
        self._shard = shard
        self._waits = waits
        self._told = told

    def merge(self, rows: Sequence[Placed]) -> None:
        """Merge rows in the shard's order; once it returns, they are in the warehouse, each once.

        However long the warehouse is away. Rows that it refuses are looked for by halves; each part that it
        takes moves the shard's place, so nothing is merged twice.
        Raises Stopped when the daemon is gone meanwhile, and whatever no waiting mends.
        """
        try:
            self._commit(rows)
        except WarehouseRefused as error:
            if len(rows) == 1:
                self._reduced(rows[0], error)
                return
            middle = len(rows) // 2
            self.merge(rows[:middle])
            self.merge(rows[middle:])

    def _commit(self, rows: Sequence[Placed]) -> None:
        patiently(partial(self._attempt, rows), self._waits, self._told)

    def _attempt(self, rows: Sequence[Placed]) -> None:
        try:
            self._desk.merge(self._stream, self._shard, rows[-1].position, partial(_behind, rows))
        except WarehouseUnavailable as error:
            raise WarehouseUnavailable(first_line(error)) from None

    def _reduced(self, placed: Placed, refusal: WarehouseRefused) -> None:
        """Store what the warehouse takes of a row. Raises WarehouseRefused when it takes nothing at all."""
        position, row = placed
        where = f"kinesis:{self._shard}/{position.sequence}"
        get_logger().error("row reduced", id=row["id"], place=where, why=first_line(refusal))
        bare = row | _BARE
        try:
            self._commit([Placed(position, bare)])
        except WarehouseRefused:
            self._commit([Placed(position, bare | {"raw": b"", "raw_place": where})])


def first_line(error: Exception) -> str:
    """Why, without the lines in which a warehouse quotes the row."""
    return str(error).partition("\n")[0]


def _behind(rows: Sequence[Placed], position: Position) -> pa.Table | None:
    """The rows behind a position, one per id."""
    left: list[dict[str, Any]] = [dict(placed.row) for placed in rows if placed.position > position]
    return fold_by_id(left) if left else None
