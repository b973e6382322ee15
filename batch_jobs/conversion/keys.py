"""Whether keys rise from line to line, and which lines repeat the key of the line before."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.schemas.reject_codes import RejectCode
from headrace.schemas.rejects import field_errors
from headrace.schemas.verdict import Rejection

Key = tuple[Any, ...]


class Repeated(NamedTuple):
    """A line whose key an earlier line of the file has."""

    line: int
    first_line: int


class Sorted(NamedTuple):
    """The rows with a key of their own, and the others."""

    rows: pa.Table
    repeated: list[Repeated]


class KeyOrder:
    """Follows the rows of a file; of neighbours with equal keys the first counts.

    `first` and `last` are the keys at its ends, and `rising` whether none was smaller than the one before.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)
        self._before: pa.Table | None = None
        self.first: Key | None = None
        self.last: Key | None = None
        self.rising = True

    def follow(self, rows: pa.Table) -> Sorted:
        """The next rows."""
        if not rows.num_rows:
            return Sorted(rows, [])
        keyed = rows.select([*self._keys, "file_line"])
        if self._before is not None:
            keyed = pa.concat_tables([self._before, keyed])
        equal, falling = self._compare(keyed.combine_chunks())
        self.rising = self.rising and not falling
        lines = keyed["file_line"].to_numpy()
        first_lines = lines[_run_starts(equal)]
        self._before = keyed.take([keyed.num_rows - 1]).set_column(
            len(self._keys), keyed.schema.field("file_line"), pa.array(first_lines[-1:])
        )
        self.last = self._key_at(keyed, -1)
        self.first = self.first or self._key_at(rows, 0)
        repeated = [Repeated(int(lines[at + 1]), int(first_lines[at + 1])) for at in np.flatnonzero(equal)]
        if repeated:
            new = np.concatenate([[True], ~equal])[-rows.num_rows :]
            rows = rows.filter(pa.array(new))
        return Sorted(rows, repeated)

    def _compare(self, keyed: pa.Table) -> tuple[np.ndarray, bool]:
        """Which rows but the first have the key of the one before; whether any has a smaller one."""
        count = keyed.num_rows - 1
        equal, greater = pa.array(np.ones(count, np.bool_)), pa.array(np.zeros(count, np.bool_))
        for name in self._keys:
            column = keyed[name]
            before, after = column.slice(0, count), column.slice(1)
            greater = pc.or_(greater, pc.and_(equal, pc.greater(after, before)))
            equal = pc.and_(equal, pc.equal(after, before))
        falling = not pc.all(pc.or_(equal, greater)).as_py() if count else False
        return equal.to_numpy(zero_copy_only=False), falling

    def _key_at(self, rows: pa.Table, at: int) -> Key:
        return tuple(rows[name][at].as_py() for name in self._keys)


def _run_starts(equal: np.ndarray) -> np.ndarray:
    """For each row the first of the equal ones that it ends."""
    places = np.arange(len(equal) + 1)
    places[1:][equal] = 0
    return np.maximum.accumulate(places)


def rejection(repeated: Repeated, raw: bytes, *, source: str, record_type: str) -> Rejection:
    """What becomes of a line that repeats a key."""
    reason = f"line {repeated.first_line} has the same key"
    return Rejection(
        code=RejectCode.DUPLICATE_KEY,
        errors=field_errors([("$.data", reason)]),
        raw=raw,
        source=source,
        sequence=repeated.line,
        record_type=record_type,
    )
