"""What an operator asks of a warehouse, wherever it is: to read in one snapshot, and to apply statements."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

MOST_STATEMENTS = 40
"""In one transaction. Source: Redshift Data API, BatchExecuteStatement."""


class Statement(NamedTuple):
    """One SQL statement; each `%s` of the text stands for the next parameter.

    Without parameters the text is sent as it is; with some, it holds no other per cent sign: not every driver
    takes `%%` for one inside of a literal.
    """

    text: str
    parameters: Sequence[object] = ()


class Rows(NamedTuple):
    """What a statement found: the columns' names, and a value for each in every row.

    Whole numbers are int, exact ones Decimal, instants datetime (aware, UTC), bytes bytes, NULL None. A
    statement without a result has no columns.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[object, ...]]


Read = Callable[..., list[Rows]]
"""Called with statements: their rows, all of one state of the tables."""


class Reader(Protocol):
    """What may be asked of a warehouse without changing it; for one thread at a time."""

    def read(self, *statements: Statement) -> list[Rows]:
        """The rows of each statement, all of one state of the tables.

        Raises `WarehouseUnavailable` when the same call may succeed later, `SchemaMismatch`, `SettingsError`
        and `WarehouseRefused` when not.
        """
        ...

    def close(self) -> None:
        """Give the connection back, if there is one."""
        ...


class Operator(Reader, Protocol):
    """A reader that may also change the schema."""

    def apply(self, *steps: Sequence[Statement]) -> None:
        """Run the steps in their order, each whole in one transaction or not at all.

        A step must bear repeating: after a failure some are done, and all are run again. Raises as `read`.
        """
        ...

    def apply_alone(self, statement: Statement) -> None:
        """Run a statement that no transaction takes. Raises as `read`."""
        ...


def packed(steps: Sequence[Sequence[Statement]], most: int = MOST_STATEMENTS) -> Iterator[list[Statement]]:
    """The steps as few transactions of at most `most` statements; none is cut.

    Raises ValueError when one is longer than that.
    """
    pack: list[Statement] = []
    for step in steps:
        if len(step) > most:
            raise ValueError(f"a step of {len(step)} statements does not fit one transaction of {most}")
        if len(pack) + len(step) > most:
            yield pack
            pack = []
        pack += step
    if pack:
        yield pack
