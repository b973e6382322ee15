"""Proving cells good, many at once; what cannot be proven is for the codec to judge, line by line.

Most columns have few distinct texts: the codec itself judges each of them once. Only of columns with many,
exact numbers and texts, is it proven here that the codec would take them.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.schemas.delimited import Cell, LineReader
from headrace.schemas.record_type import Field
from headrace.schemas.tables import Table
from headrace.warehouse.staging import arrow_type

FEW = 2_048
"""Distinct texts of a block's column that are given to the codec one by one."""

_MOST_KNOWN, _LONGEST_KNOWN = 20_000, 100
_END, _RE2_END = r"(?!\n)$", r"\z"

Good = npt.NDArray[np.bool_]
_Many = Callable[[pa.StringArray], tuple[pa.Array, pa.BooleanArray]]


class Prover:
    """Turns the columns of a layout into those of its table, as far as they are proven."""

    def __init__(self, reader: LineReader, table: Table, *, losses_negative: bool, few: int = FEW) -> None:
        layout, self._few = reader.layout, few
        self._types = {column.name: arrow_type(column.type) for column in table.columns}
        self._cells: list[tuple[int, str, _CellProof]] = []
        for at, cell in layout.cells:
            field, type_ = layout.record_type.field(cell.name), self._types[cell.name]
            many = _many(cell, field, type_, turned=cell.amount and losses_negative)
            self._cells.append((at, cell.name, _CellProof(reader, cell, type_, many)))
        self._layout = layout.name
        self._names = [field.name for field in layout.record_type.fields]

    def prove(self, columns: Sequence[pa.DictionaryArray]) -> tuple[dict[str, pa.Array], Good]:
        """The members of each line as arrays, and which lines are proven; the others' values say nothing."""
        count = len(columns[0])
        good = np.ones(count, np.bool_)
        members = {"layout": pa.repeat(pa.scalar(self._layout), count)}
        for at, name, proof in self._cells:
            places = columns[at].indices
            values, proven = proof.values(columns[at].dictionary, self._few)
            members[name] = values.take(places)
            if proven is not None:
                good &= proven[places.to_numpy()]
        for name in self._names:
            if name not in members:
                members[name] = pa.nulls(count, self._types[name])
        return members, good


class _CellProof:
    """The values of one cell's texts."""

    def __init__(self, reader: LineReader, cell: Cell, type_: pa.DataType, many: "_Many | None") -> None:
        self._reader, self._name, self._type, self._many = reader, cell.name, type_, many
        self._known: dict[str, tuple[bool, Any]] = {}

    def values(self, texts: pa.StringArray, few: int) -> tuple[pa.Array, Good | None]:
        """The value of each text, and which are good; None when all are."""
        if self._many is None or len(texts) <= few:
            return self._judged(texts)
        values, proven = self._many(texts)
        good = proven.to_numpy(zero_copy_only=False)
        if good.all():
            return values, None
        others, also_good = self._judged(texts.filter(pc.invert(proven)))
        values = pc.replace_with_mask(values, pc.invert(proven), others)
        if also_good is None:
            return values, None
        good = good.copy()
        good[~good] = also_good
        return values, good

    def _judged(self, texts: pa.StringArray) -> tuple[pa.Array, Good | None]:
        """By the codec, each text once."""
        verdicts = [self._known.get(text) or self._judge(text) for text in texts.to_pylist()]
        values = pa.array([value for _, value in verdicts], self._type)
        good = np.fromiter((good for good, _ in verdicts), np.bool_, len(verdicts))
        return values, None if good.all() else good

    def _judge(self, text: str) -> tuple[bool, Any]:
        good, value = self._reader.value(self._name, text)
        verdict = good, value if good else None
        if len(text) <= _LONGEST_KNOWN:
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            self._known[text] = verdict
        return verdict


def _many(cell: Cell, field: Field, type_: pa.DataType, *, turned: bool) -> _Many | None:
    """How to prove many texts of a cell at once; None when its values are few by their nature."""
    if field.kind == "decimal":
        return _exact(field, type_, turned=turned)
    if field.kind != "text" or cell.first is not None:
        return None
    special = pa.array(["", *cell.nulls, *cell.words], pa.string())
    return _plain(field, special)


def _exact(field: Field, type_: pa.DataType, *, turned: bool) -> _Many:
    """Numbers of so many digits that they fit the column, and then within their range."""
    digits, scale = (field.precision or 0) - (field.scale or 0), field.scale
    grammar = rf"^-?[0-9]{{1,{digits}}}(?:\.[0-9]{{1,{scale}}})?{_RE2_END}"
    low, high = (pa.scalar(Decimal(bound or 0), type_) for bound in (field.minimum, field.maximum))

    def values(texts: pa.StringArray) -> tuple[pa.Array, pa.BooleanArray]:
        written = pc.match_substring_regex(texts, grammar)
        numbers = pc.if_else(written, texts, None).cast(type_)
        if turned:
            numbers = pc.negate(numbers)
        within = pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
        return numbers, within.fill_null(False)  # noqa: FBT003  pyarrow's own

    return values


def _plain(field: Field, special: pa.StringArray) -> _Many | None:
    """Texts that stand for themselves, of the form and length that the field asks for."""
    pattern = field.pattern
    if pattern is not None and not pattern.endswith(_END):
        return None
    grammar = None if pattern is None else pattern.removesuffix(_END) + _RE2_END

    def values(texts: pa.StringArray) -> tuple[pa.Array, pa.BooleanArray]:
        fits = pc.less_equal(pc.binary_length(texts), field.max_bytes)
        fits = pc.and_(fits, pc.invert(pc.is_in(texts, special)))
        if grammar is not None:
            fits = pc.and_(fits, pc.match_substring_regex(texts, grammar))
        return texts, fits

    return values
