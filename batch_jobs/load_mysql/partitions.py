"""A table with a partition per vintage, and the swap that replaces one of them at one blow.

MySQL cannot EXCHANGE a partition inside a transaction. What was swapped is therefore told by the rows: each
carries the number of its load, and an interrupted swap is either done or not.
"""

from collections.abc import Sequence
from dataclasses import replace

from pymysql.cursors import Cursor

from batch_jobs.load_mysql.staging import LOAD_ID, VINTAGE
from batch_jobs.manifest import is_vintage
from headrace.errors import LoadMismatch
from headrace.schemas.tables import INT, Column, Table
from headrace.schemas.targets.mysql import create_table, quote


class Partitions:
    """One table in MySQL; `key` is unique within a vintage."""

    def __init__(self, table: Table, key: Sequence[str]) -> None:
        self._table = replace(table, columns=(*table.columns, Column(LOAD_ID, INT)))
        self._key = (*key, VINTAGE)
        self._name = quote(table.name)

    def prepare(self, cursor: Cursor, vintage: str) -> None:
        """Make the table, and the vintage's partition, where they are missing."""
        partition = f"(PARTITION {_partition(vintage)} VALUES IN ('{vintage}'))"
        create = create_table(self._table, key=self._key)
        cursor.execute(f"{create} PARTITION BY LIST COLUMNS ({quote(VINTAGE)}) {partition}")
        cursor.execute(
            "SELECT COUNT(*) FROM information_schema.partitions WHERE table_schema = DATABASE() "
            "AND table_name = %s AND partition_name = %s",
            [self._table.name, f"p{vintage}"],
        )
        if cursor.fetchone() == (0,):
            cursor.execute(f"ALTER TABLE {self._name} ADD PARTITION {partition}")

    def beside(self, load_id: int) -> str:
        """The name of the table that a load fills."""
        return f"{self._table.name[:48]}__load_{load_id}"

    def make_beside(self, cursor: Cursor, load_id: int) -> None:
        """Make it, empty."""
        self.drop_beside(cursor, load_id)
        cursor.execute(create_table(replace(self._table, name=self.beside(load_id)), key=self._key))

    def drop_beside(self, cursor: Cursor, load_id: int) -> None:
        """Drop it; after the swap it holds the partition's former rows."""
        cursor.execute(f"DROP TABLE IF EXISTS {quote(self.beside(load_id))}")

    def is_beside(self, cursor: Cursor, load_id: int) -> bool:
        """Whether it is there."""
        cursor.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s",
            [self.beside(load_id)],
        )
        return cursor.fetchone() is not None

    def swap(self, cursor: Cursor, vintage: str, load_id: int, rows: int) -> None:
        """Let the load's rows be the partition's, unless they are.

        Raises LoadMismatch when the load did not bring in `rows` rows.
        """
        cursor.execute(f"SELECT {LOAD_ID} FROM {self._name} PARTITION ({_partition(vintage)}) LIMIT 1")  # noqa: S608  our names
        if cursor.fetchone() == ((load_id,) if rows else None):
            return
        beside = quote(self.beside(load_id))
        cursor.execute(f"SELECT COUNT(*) FROM {beside}")  # noqa: S608  our names
        (count,) = cursor.fetchone() or (None,)
        if count != rows:
            raise LoadMismatch(
                f"{self._table.name} {vintage}: {count} rows came in, the files hold {rows}: not replaced"
            )
        cursor.execute(
            f"ALTER TABLE {self._name} EXCHANGE PARTITION {_partition(vintage)} WITH TABLE {beside}"
        )


def _partition(vintage: str) -> str:
    if not is_vintage(vintage):
        raise LoadMismatch(f"{vintage!r} is no vintage")
    return quote(f"p{vintage}")
