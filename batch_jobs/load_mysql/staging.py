"""The statements that take a chunk from text to typed rows, none of which may warn, cut or round."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pymysql.cursors import Cursor

from batch_jobs.load_mysql import canonical
from batch_jobs.load_mysql.session import load_local
from headrace.errors import LoadMismatch
from headrace.schemas.tables import Table
from headrace.schemas.targets.mysql import quote

VINTAGE, LOAD_ID = "vintage", "load_id"
_STAGE = "`headrace_stage`"
_FORMAT = r"FIELDS TERMINATED BY '\t' ENCLOSED BY '' ESCAPED BY '\\' LINES STARTING BY '' TERMINATED BY '\n'"


class Stage:
    """A table of texts, for one connection's eyes alone; its rows are those of `table` in one vintage."""

    def __init__(self, table: Table, key: Sequence[str], vintage: str) -> None:
        """Raises ValueError when a column's type has no canonical text."""
        self._table, self._key, self._vintage = table, key, vintage
        columns = [(quote(column.name), column.type) for column in table.columns]
        self._names = [name for name, _ in columns]
        self._texts = [f"{name} {canonical.staged(type_)}" for name, type_ in columns]
        self._values = [canonical.value(type_, name) for name, type_ in columns]
        self._faults = [canonical.differs(type_, name) for name, type_ in columns]

    def lines(self, rows: pa.Table) -> memoryview:
        """A chunk as texts."""
        return canonical.lines(self._table, rows)

    def fill(self, cursor: Cursor, lines: memoryview, rows: int) -> None:
        """Take a chunk's texts. Raises LoadMismatch unless each row is there and nothing was warned of."""
        cursor.execute(f"DROP TEMPORARY TABLE IF EXISTS {_STAGE}")
        cursor.execute(
            f"CREATE TEMPORARY TABLE {_STAGE} ({', '.join(self._texts)})"
            " ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        )
        statement = f"LOAD DATA LOCAL INFILE 'headrace' INTO TABLE {_STAGE} CHARACTER SET utf8mb4 {_FORMAT}"
        count = load_local(cursor, statement, lines)
        _expect(cursor, count, rows, f"{self._table.name} {self._vintage}: LOAD DATA")

    def check(self, cursor: Cursor) -> None:
        """Raise LoadMismatch unless every text, cast to its type and back, is the same bytes."""
        strange = f"NOT ({quote(VINTAGE)} <=> %s)"
        condition = " OR ".join((*self._faults, strange))
        cursor.execute(f"SELECT COUNT(*) FROM {_STAGE} WHERE {condition}", [self._vintage])  # noqa: S608  our names
        (wrong,) = cursor.fetchone() or (None,)
        if wrong != 0:
            raise LoadMismatch(
                f"{self._table.name} {self._vintage}: {wrong} rows of a chunk would come back changed, so "
                f"none of it is in; the first: {self._first_fault(cursor, condition)}"
            )

    def insert(self, cursor: Cursor, into: str, load_id: int, rows: int) -> None:
        """Insert the typed rows. Raises LoadMismatch unless every row went in and nothing was warned of.

        Raises pymysql.Error for a key that is there already, or a value out of its type's range.
        """
        names = ", ".join((*self._names, quote(LOAD_ID)))
        count = cursor.execute(
            f"INSERT INTO {quote(into)} ({names}) SELECT {', '.join(self._values)}, %s FROM {_STAGE}",  # noqa: S608  our names
            [load_id],
        )
        _expect(cursor, count, rows, f"{self._table.name} {self._vintage}: INSERT")

    def _first_fault(self, cursor: Cursor, condition: str) -> str:
        cases = (
            f"WHEN {fault} THEN CONCAT('{column.name} = ', {name})"
            for column, name, fault in zip(self._table.columns, self._names, self._faults, strict=True)
        )
        keys = ", ".join(quote(name) for name in self._key)
        cursor.execute(
            f"SELECT CASE {' '.join(cases)} ELSE 'a row of another vintage' END, {keys} FROM {_STAGE} "  # noqa: S608  our names
            f"WHERE {condition} LIMIT 1",
            [self._vintage],
        )
        fault, *key = cursor.fetchone() or (None,)
        return f"{_readable(fault)} (key {', '.join(_readable(part) for part in key)})"


def _expect(cursor: Cursor, count: int, rows: int, what: str) -> None:
    warned = cursor.warning_count
    if count == rows and not warned:
        return
    cursor.execute("SHOW WARNINGS LIMIT 1")
    first: Sequence[Any] = cursor.fetchone() or ("", 0, "nothing more")
    raise LoadMismatch(f"{what}: {count:,} of {rows:,} rows, {warned} warnings, the first: {first[2]}")


def _readable(text: object) -> str:
    shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return repr(shown[:200])
