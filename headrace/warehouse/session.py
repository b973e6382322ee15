"""What readers and writers of the tables ask of a connection, whichever engine it is to."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa  # slow to import, and who only reads needs none

Row = tuple[object, ...]


class Cursor(Protocol):
    """Runs statements. `%s` is the place of a parameter; a text that has any holds no other per cent sign."""

    @property
    def columns(self) -> list[str]:
        """The names of the last statement's columns; none, when it has no rows to give."""
        ...

    def execute(self, text: str, parameters: Sequence[object] = ()) -> object:
        """Run one statement. A text without parameters is taken as it is."""
        ...

    def fetchone(self) -> Row | None:
        """The next row of the last statement."""
        ...

    def fetchall(self) -> list[Row]:
        """The rest of its rows."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """The rest of its rows, one by one."""
        ...

    def stage(self, table: Table, name: str, parts: Iterable["pa.Table"]) -> None:
        """Create the temporary table `name` like `table` and fill it, in the transaction that is open.

        The rows come in parts, of which one is in memory at a time; they have the table's columns, in its
        order (`staging.conform`). Once the transaction has ended, nothing may lean on the temporary table.
        """
        ...


class Session(Protocol):
    """One connection, opened on use; for one thread at a time. After a failure the next use opens another.

    Every call raises `WarehouseUnavailable` when the engine gives no answer, a deadlock or a serialization
    failure: nothing, or all of the transaction, is then done, and it may be repeated whole. Beside it:
    `SchemaMismatch` when a table or a column is missing, `SettingsError` for the address and for permissions,
    `WarehouseRefused` for everything else.
    """

    def cursor(self) -> AbstractContextManager[Cursor]:
        """A cursor for single statements, each its own transaction."""
        ...

    def transaction(self) -> AbstractContextManager[Cursor]:
        """A cursor in a transaction: committed at the end of the block, rolled back by any exception."""
        ...

    def snapshot(self) -> AbstractContextManager[Cursor]:
        """A transaction that sees one state of all tables and changes nothing."""
        ...

    def prepare(self, outputs: Sequence[WindowedOutput]) -> None:
        """See that every table is there with its columns, and make what is missing where that is done here.

        Raises `SchemaMismatch` when a table is missing, or exists with other columns.
        """
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...
