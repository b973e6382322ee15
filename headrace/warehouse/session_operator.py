"""Reading and migrating over a connection."""

from collections.abc import Sequence

from headrace.warehouse.read_only import check_reads
from headrace.warehouse.reader import Read, Rows, Statement
from headrace.warehouse.session import Cursor, Session


class SessionOperator:
    """See `Operator`; every call is one transaction of the session."""

    def __init__(self, session: Session, *, questions_only: bool = False) -> None:
        self._session = session
        self._questions_only = questions_only

    def read(self, *statements: Statement) -> list[Rows]:
        """See `Reader`. Of an analyst whatever is no question is refused by its text already."""
        for statement in statements if self._questions_only else ():
            check_reads(statement.text)
        with self._session.snapshot() as cursor:
            return read_by(cursor)(*statements)

    def apply(self, *steps: Sequence[Statement]) -> None:
        """See `Operator`: all steps are one transaction."""
        with self._session.transaction() as cursor:
            for step in steps:
                for statement in step:
                    cursor.execute(*statement)

    def apply_alone(self, statement: Statement) -> None:
        """See `Operator`."""
        with self._session.cursor() as cursor:
            cursor.execute(*statement)

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()


def read_by(cursor: Cursor) -> Read:
    """Reads in the transaction that the cursor is in."""

    def read(*statements: Statement) -> list[Rows]:
        return [_rows(cursor, statement) for statement in statements]

    return read


def _rows(cursor: Cursor, statement: Statement) -> Rows:
    cursor.execute(*statement)
    columns = cursor.columns
    return Rows(columns, cursor.fetchall() if columns else [])
