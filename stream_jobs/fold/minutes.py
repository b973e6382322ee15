"""How many good and how many rejected records arrived per type and minute: what the breaker judges by."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.schemas.registry import RECORD_TYPES
from stream_jobs.fold.intake import Int64s

_MINUTE = 60_000_000  # microseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GROUP = ["record_type", "minute"]
SCHEMA = pa.schema(
    [("record_type", pa.string()), ("minute", pa.int64()), ("counted", pa.int64()), ("rejected", pa.int64())]
)


def minutes_of(good: Mapping[str, Int64s], rejects: Iterable[Mapping[str, Any]]) -> pa.Table:
    """One row per record type and minute since 1970.

    `good` has the arrivals of the counted records per type (microseconds since 1970), `rejects` the rows of
    the rejected ones. A type that is not declared is '': a stranger could send any number of them.
    """
    counted = {
        (name, minute): count
        for name, arrivals in good.items()
        if len(arrivals)
        for minute, count in _per_minute(arrivals)
    }
    rejected: dict[tuple[str, int], int] = {}
    for row in rejects:
        name = row["record_type"] if row["record_type"] in RECORD_TYPES else ""
        place = (name, row["first_seen"] // _MINUTE)
        rejected[place] = rejected.get(place, 0) + 1
    places = sorted(counted.keys() | rejected.keys())
    rows = [(*place, counted.get(place, 0), rejected.get(place, 0)) for place in places]
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


def total(tables: Sequence[pa.Table]) -> dict[tuple[str, datetime], tuple[int, int]]:
    """Good and rejected records of all partitions, by type and the instant at which the minute begins."""
    if not tables:
        return {}
    sums = [("counted", "sum"), ("rejected", "sum")]
    grouped = pa.concat_tables(tables).group_by(_GROUP, use_threads=False).aggregate(sums)
    return {
        (row["record_type"], _EPOCH + timedelta(minutes=row["minute"])): (
            row["counted_sum"],
            row["rejected_sum"],
        )
        for row in grouped.to_pylist()
    }


def _per_minute(arrivals: Int64s) -> Iterable[tuple[int, int]]:
    """The minutes in which something arrived, and how much."""
    minutes = arrivals // _MINUTE
    first = int(minutes.min())
    counts = np.bincount(minutes - first)
    return ((first + int(at), int(counts[at])) for at in np.flatnonzero(counts))
