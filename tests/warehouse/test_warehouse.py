"""The port's promise as a property: any sequence of batches, replays and crashes equals a plain model."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.schemas.registry import OUTPUTS
from headrace.warehouse import probe as commit
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.reconcile import reconcile
from headrace.warehouse.warehouse import Warehouse
from tests.doubles.clock import ManualClock
from tests.warehouse.queries import Sql, empty
from tests.warehouse.simulation import START, Rec, batch_id, edit, fold_of, parts, signup, windows

pytestmark = pytest.mark.stack


def record(source: str, number: int, *, good: bool, partition: int) -> Rec:
    """Every good copy of a number has the same type and content."""
    late = START + timedelta(minutes=25)
    placed: dict[str, Any] = {"good": good, "partition": partition, "arrived": late}
    placed["at"] = START + timedelta(seconds=number * 37)
    if number % 4 == 1:
        return edit(source, number, number * 31 % 89 - 44, f"c{number % 5}", **placed)
    if number % 4 == 2:
        return signup(source, number, number % 97 or None, **placed)
    return Rec(source, number, **placed).with_data(
        bytes=number * number % 97 or None,
        status=200 + 100 * (number % 4),
        path=f"/{number % 3}",
        client_address=f"c{number % 5}",
    )


records = st.lists(
    st.builds(
        record,
        source=st.sampled_from(["a", "b"]),
        number=st.integers(1, 25),
        good=st.integers(0, 3).map(bool),
        partition=st.integers(0, 2),
    ),
    max_size=15,
)
batches = st.lists(
    st.tuples(records, st.booleans(), st.sampled_from([None, *commit.POINTS])), min_size=1, max_size=5
)


def place(record: Rec) -> tuple[str, int]:
    assert record.number is not None
    return record.source, record.number


@dataclass
class Model:
    """What a batch does, said with sets."""

    counted: dict[tuple[str, int], Rec] = field(default_factory=dict)
    rejected: set[tuple[str, int]] = field(default_factory=set)
    dropped: Counter[str] = field(default_factory=Counter)
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    replayed: Counter[str] = field(default_factory=Counter)

    def add(self, batch: list[Rec]) -> None:
        good = {place(r): r for r in batch if r.good}
        bad = {place(r) for r in batch if not r.good}
        fresh = good.keys() - self.counted.keys()
        refused = bad - good.keys() - self.counted.keys()
        self.dropped.update(r.source for r in batch)
        self.dropped.subtract(source for source, _ in (*fresh, *refused))
        self.seen.update(refused)
        self.replayed.update(source for source, _ in self.rejected & good.keys())
        self.counted |= {key: good[key] for key in fresh}
        self.rejected = (self.rejected | refused) - self.counted.keys()


Sequence = list[tuple[list[Rec], bool, str | None]]
"""Batches, each with whether its records come again as another batch, and where its first attempt crashes."""


@dataclass
class Crashing:
    """A warehouse that crashes at the named points, once at each."""

    points: list[str]
    warehouse: Warehouse


@pytest.fixture
def crashing(connect: Callable[..., Warehouse]) -> Crashing:
    points: list[str] = []

    def probe(point: str) -> None:
        if point in points:
            points.remove(point)
            raise RuntimeError(point)

    return Crashing(points, connect(probe=probe))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=batches)
def test_any_sequence_of_batches_replays_and_crashes_equals_the_model(
    crashing: Crashing, sql: Sql, url: str, sequence: Sequence
) -> None:
    run(crashing, sql, url, sequence)


@pytest.mark.parametrize("engine", ["redshift"], indirect=True)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=batches)
def test_the_same_holds_on_redshift(crashing: Crashing, sql: Sql, url: str, sequence: Sequence) -> None:
    run(crashing, sql, url, sequence)


def run(crashing: Crashing, sql: Sql, url: str, sequence: Sequence) -> None:
    empty(sql)
    model, warehouse = Model(), crashing.warehouse
    epoch = warehouse.take_epoch("events")
    for number, (batch, again, point) in enumerate(sequence):
        fold = fold_of(batch)
        if point is not None:
            crashing.points.append(point)
            with pytest.raises(RuntimeError, match=point):
                warehouse.commit(batch_id(number), epoch, fold)
        warehouse.commit(batch_id(number), epoch, fold)
        model.add(batch)
        assert warehouse.commit(batch_id(number), epoch, fold).already
        if again:  # a new checkpoint: the same records as another batch
            warehouse.commit(batch_id(number, query="again"), epoch, fold)
            model.add(batch)
    check(model, sql, url)


def check(model: Model, sql: Sql, url: str) -> None:
    for fate, keys in (("counted", set(model.counted)), ("rejected", model.rejected)):
        for source in ("a", "b"):
            rows = sql(
                "select first_number, last_number from ledger_ranges where source = %s and fate = %s",
                source,
                fate,
            )
            assert RangeSet.of(*rows) == RangeSet.from_numbers(n for s, n in keys if s == source)
            assert len(rows) == RangeSet.of(*rows).range_count
    assert dict(
        sql("select source, duplicates_dropped from ledger_sources where duplicates_dropped > 0")
    ) == dict(+model.dropped)
    assert dict(sql("select source, replayed from ledger_sources where replayed > 0")) == dict(model.replayed)
    assert dict(sql("select raw, seen from rejects")) == {
        f"{source}#{number}".encode(): seen for (source, number), seen in model.seen.items()
    }
    for output in OUTPUTS.values():
        same_rows(sql, windows(output, model.counted.values()), output.name)
        if (held := output.parts_table()) is not None:
            same_rows(sql, parts(output, model.counted.values()), held.name)
    report = reconcile(url, ManualClock())
    assert {s.source: (s.counted, s.rejected) for s in report.sources} == {
        source: (
            sum(1 for s, _ in model.counted if s == source),
            sum(1 for s, _ in model.rejected if s == source),
        )
        for source in {s for s, _ in (*model.counted, *model.rejected)}
    }
    assert all(output.balanced for output in report.outputs)


def same_rows(sql: Sql, expected: pa.Table, table: str) -> None:
    columns = ", ".join(expected.column_names)
    rows = sorted(tuple(row.values()) for row in expected.to_pylist())
    assert sorted(sql(f"select {columns} from {table}")) == rows
