"""What the batch pipeline made, counted from outside: files, tables, warehouse and MySQL side by side."""

import gzip
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from batch_jobs.manifest import Input, Kind, inputs
from batch_jobs.settings import BatchSettings
from batch_jobs.storage import Storage
from cli.place import Place
from headrace.ops.settings import load
from headrace.schemas.loan_tables import LOAN_TABLES
from headrace.schemas.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_KINDS: dict[str, Kind] = {"loan_originations": "origination", "loan_performance": "performance"}


class TableBalance(msgspec.Struct, frozen=True, kw_only=True):
    """One table: the lines of its newest inputs, and what has become of them.

    `codes` counts the rejects by their code, as the error files hold them.
    """

    table: str
    vintages: int
    lines: int
    rows: int
    codes: dict[str, int]
    in_warehouse: int
    in_mysql: int

    @property
    def rejected(self) -> int:
        """Lines that are no rows."""
        return sum(self.codes.values())

    @property
    def balanced(self) -> bool:
        """Whether each line is a row everywhere, or a reject."""
        return self.lines == self.rows + self.rejected and self.rows == self.in_warehouse == self.in_mysql


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """All tables, and the model that was trained on them."""

    tables: tuple[TableBalance, ...]
    model: str | None
    auc: float | None

    @property
    def balanced(self) -> bool:
        """Whether every table is."""
        return all(table.balanced for table in self.tables)


def balance(place: Place, session: "SparkSession") -> Balance:
    """Count it all. Raises what storage, warehouse and MySQL raise."""
    from batch_jobs.model.store import NAME, find  # noqa: PLC0415  slow to import, and not always needed

    storage = Storage(load(BatchSettings, place.environ).root_folder, place.environ)
    warehouse, mysql = _in_warehouse(place), _in_mysql(place)
    tables = []
    for table in LOAN_TABLES.values():
        newest = {entry.vintage: entry for entry in inputs(storage, _KINDS[table.name])}
        tables.append(
            TableBalance(
                table=table.name,
                vintages=len(newest),
                lines=sum(entry.rows for entry in newest.values()),
                rows=session.table(f"headrace.{table.name}").count(),
                codes=_codes(storage, table, newest.values()),
                in_warehouse=warehouse[table.name],
                in_mysql=mysql[table.name],
            )
        )
    model = find(storage)
    return Balance(
        tables=tuple(tables),
        model=None if model is None else f"{NAME} {model.version}",
        auc=None if model is None else model.test.auc,
    )


class _Data(msgspec.Struct):
    code: str


class _Reject(msgspec.Struct):
    data: _Data


def _codes(storage: Storage, table: Table, newest: Iterable[Input]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for entry in newest:
        for path in storage.list(f"errors/{table.name}/{entry.vintage}/{entry.sha256[:16]}"):
            lines = gzip.decompress(storage.read(path))
            counted.update(one.data.code for one in msgspec.json.Decoder(_Reject).decode_lines(lines))
    return dict(counted)


def _in_warehouse(place: Place) -> dict[str, int]:
    from headrace.warehouse.reader import Statement  # noqa: PLC0415  the help should not wait for it

    with place.analyst() as reader:
        found = reader.read(*(Statement(f'SELECT count(*) FROM "{name}"') for name in LOAN_TABLES))  # noqa: S608  declared names
    return {name: int(str(each.rows[0][0])) for name, each in zip(LOAN_TABLES, found, strict=True)}


def _in_mysql(place: Place) -> dict[str, int]:
    from batch_jobs.load_mysql.address import parse  # noqa: PLC0415  the help should not wait for it
    from batch_jobs.load_mysql.session import Session  # noqa: PLC0415  the same

    with closing(Session(parse(place.mysql_url()))) as session, session.cursor() as cursor:
        counts = {}
        for name in LOAN_TABLES:
            cursor.execute(f"SELECT count(*) FROM `{name}`")  # noqa: S608  a declared name
            counts[name] = int((cursor.fetchone() or (0,))[0])
    return counts
