"""Questions that many tests put to the database."""

from collections.abc import Callable, Mapping
from typing import Any

from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.warehouse import Warehouse

EACH_ENGINE = ("postgresql", "redshift")
"""The ENGINES of a module whose promises hold on both."""

Sql = Callable[..., list[tuple[Any, ...]]]
Connect = Callable[..., Warehouse]
TABLES = (
    *OUTPUTS,
    *(parts.name for output in OUTPUTS.values() if (parts := output.parts_table()) is not None),
    "ledger_ranges",
    "ledger_sources",
    "ledger_types",
    "rejects",
    "batches",
    "shard_progress",
    "type_minutes",
    "breakers",
)


def empty(sql: Sql, *more: str) -> None:
    """As if no batch had ever come; the ledger's version moves, so that no writer leans on what it knows.

    Where there are few rows, TRUNCATE takes ten times as long.
    """
    sql("; ".join(f"delete from {table}" for table in (*TABLES, "ledger_outputs", *more)))
    sql("update ledger_version set version = version + 1")


def state(sql: Sql) -> Mapping[str, list[tuple[object, ...]]]:
    return {table: sorted(sql(f"select * from {table}"), key=repr) for table in TABLES}


def ranges(sql: Sql, fate: str = "counted") -> list[tuple[object, ...]]:
    return sql(
        "select source, first_number, last_number from ledger_ranges where fate = %s order by 1, 2", fate
    )


def requests(sql: Sql) -> object:
    return sql("select sum(requests) from web_traffic_1m")[0][0]
