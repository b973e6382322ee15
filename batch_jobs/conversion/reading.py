"""Lines to rows: what can be proven good in bulk is taken so, and the codec judges every other line."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from batch_jobs.conversion.blocks import Block, Numbers, line_count, lines_at, read_cells
from batch_jobs.conversion.proof import FEW, Prover
from batch_jobs.manifest import Input, Kind
from headrace.schemas.delimited import LineReader
from headrace.schemas.loan_layouts import LAYOUTS
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE
from headrace.schemas.tables import Table
from headrace.schemas.verdict import Rejection
from headrace.warehouse.staging import arrow_schema

TABLES: dict[Kind, Table] = {"origination": LOAN_ORIGINATIONS, "performance": LOAN_PERFORMANCE}
"""Where the rows of each kind of file go."""


def record_type(entry: Input) -> str:
    """What its lines are to be."""
    return LAYOUTS[entry.kind, entry.layout].record_type.name


class Judged(NamedTuple):
    """The lines of a block: rows of the table and rejections, both in the order of their lines."""

    rows: pa.Table
    rejections: list[Rejection]


class BlockReader:
    """Judges the lines of one input, block by block."""

    def __init__(self, entry: Input, *, few: int = FEW) -> None:
        self._source, self._vintage = entry.source, entry.vintage
        self._schema = arrow_schema(TABLES[entry.kind])
        layout, negative = LAYOUTS[entry.kind, entry.layout], entry.losses == "negative"
        self._fields = [field.name for field in layout.record_type.fields]
        self._width = len(layout.columns)
        self._reader = LineReader(layout, losses_negative=negative)
        self._prover = _prover(entry.kind, layout.name, losses_negative=negative, few=few)

    def read(self, block: Block) -> Judged:
        """Every line of the block is in what it gives, once."""
        cells = read_cells(block.text, self._width)
        rows, proven = self._schema.empty_table(), cells.lines
        if cells.columns:
            members, good = self._prover.prove(cells.columns)
            rows = self._rows([members[name] for name in self._fields], proven + block.first_line)
            if not good.all():
                rows, proven = rows.filter(pa.array(good)), proven[good]
        count = line_count(block.text)
        if len(proven) == count:
            return Judged(rows, [])
        return self._with_others(rows, block, np.delete(np.arange(count), proven))

    def _with_others(self, rows: pa.Table, block: Block, others: Numbers) -> Judged:
        """The lines that are not proven, one by one; those that are good after all stand in their place."""
        records, numbers, rejections = [], [], []
        for line, text in lines_at(block.text, others.tolist()):
            number = block.first_line + line
            verdict = self._reader.read(text, source=self._source, number=number)
            if isinstance(verdict, Rejection):
                rejections.append(verdict)
            else:
                records.append(verdict)
                numbers.append(number)
        if not records:
            return Judged(rows, rejections)
        members = [
            pa.array([getattr(record, name) for record in records], self._schema.field(name).type)
            for name in self._fields
        ]
        more = self._rows(members, np.array(numbers))
        return Judged(pa.concat_tables([rows, more]).sort_by("file_line"), rejections)

    def _rows(self, members: list[pa.Array], numbers: Numbers) -> pa.Table:
        vintage = pa.repeat(pa.scalar(self._vintage), len(numbers))
        return pa.table([*members, vintage, pa.array(numbers, pa.int64())], schema=self._schema)


@lru_cache
def _prover(kind: Kind, layout: str, *, losses_negative: bool, few: int) -> Prover:
    """One for all files alike that this process converts: what it knows of their texts is kept."""
    reader = LineReader(LAYOUTS[kind, layout], losses_negative=losses_negative)
    return Prover(reader, TABLES[kind], losses_negative=losses_negative, few=few)
