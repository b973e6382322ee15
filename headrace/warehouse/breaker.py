"""The breaker: says when too large a share of a type's records is rejected. It never drops anything."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import cast

from headrace.warehouse.batch import TypeShare
from headrace.warehouse.session import Cursor

WINDOW = timedelta(minutes=5)
LEAST_RECORDS = 100
_KEPT = timedelta(days=1)


def judge(arrived: Mapping[str, tuple[int, int]], opened: Iterable[str], limit: float) -> list[TypeShare]:
    """Every type that arrived (good and rejected records) or whose breaker is open, by name."""
    found, held = [], frozenset(opened)
    for name in sorted(arrived.keys() | held):
        counted, rejected = arrived.get(name, (0, 0))
        was_open = name in held
        share = TypeShare(name, counted, rejected, was_open, was_open).share
        is_open = share >= limit / 2 if was_open else share > limit and counted + rejected >= LEAST_RECORDS
        found.append(TypeShare(name, counted, rejected, is_open, was_open))
    return found


def update(cursor: Cursor, frontier: datetime | None, limit: float) -> list[TypeShare]:
    """Judge every type by the five minutes of arrival that end with the frontier's, and book what changed.

    Runs in the transaction of a batch, once its minutes are merged.
    """
    if frontier is None:
        return []
    last = frontier.replace(second=0, microsecond=0)
    shares = judge(*_present(cursor, last), limit)
    for found in shares:
        if found.is_open and not found.was_open:
            cursor.execute(
                "INSERT INTO breakers (record_type, opened_at, closed_at, counted, rejected, limit_share) "
                "VALUES (%s, %s, NULL, %s, %s, %s)",
                [found.record_type, frontier, found.counted, found.rejected, limit],
            )
        elif found.was_open and not found.is_open:
            cursor.execute(
                "UPDATE breakers SET closed_at = %s WHERE record_type = %s AND closed_at IS NULL",
                [frontier, found.record_type],
            )
    if last.minute == 0:  # once an hour is enough
        cursor.execute("DELETE FROM type_minutes WHERE arrival_minute < %s", [last - _KEPT])
    return shares


def _present(cursor: Cursor, last: datetime) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """What arrived by type, and the types whose breaker is open."""
    cursor.execute(
        "SELECT record_type, CAST(SUM(counted) AS BIGINT), CAST(SUM(rejected) AS BIGINT), FALSE "
        "FROM type_minutes WHERE arrival_minute > %s AND arrival_minute <= %s GROUP BY record_type "
        "UNION ALL SELECT record_type, 0, 0, TRUE FROM breakers WHERE closed_at IS NULL",
        [last - WINDOW, last],
    )
    rows = cast("list[tuple[str, int, int, bool]]", cursor.fetchall())
    arrived = {name: (counted, rejected) for name, counted, rejected, is_open in rows if not is_open}
    return arrived, [name for name, _, _, is_open in rows if is_open]
