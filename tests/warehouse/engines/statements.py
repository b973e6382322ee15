"""A cursor that writes down what it is asked to execute."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from headrace.schemas.tables import Table
from headrace.warehouse.session import Row


class Statements:
    """Answers every question with the same row."""

    columns: list[str]

    def __init__(self, answer: Row) -> None:
        self.columns = []
        self.sent: list[str] = []
        self._answer = answer

    def execute(self, text: str, parameters: Sequence[object] = ()) -> None:
        del parameters
        self.sent.append(text)

    def fetchone(self) -> Row:
        return self._answer

    def fetchall(self) -> list[Row]:
        return [self._answer]

    def __iter__(self) -> Iterator[Row]:
        return iter([self._answer])

    def stage(self, table: Table, name: str, parts: Iterable[pa.Table]) -> None:
        raise NotImplementedError
