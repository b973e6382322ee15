"""The ledger against the archive, an archive that is a dictionary."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.errors import ArchiveRefused, ArchiveUnavailable
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse import archive_store
from headrace.warehouse.archive_report import ArchivedSource
from headrace.warehouse.batch import ShardProgress, Status
from headrace.warehouse.reconcile import ArchiveCheck, reconcile, write_off
from headrace.warehouse.report import ArchiveTotals, Report, fold_settled
from headrace.warehouse.warehouse import Warehouse
from headrace.warehouse.warehouse import connect as open_warehouse
from tests.doubles.clock import ManualClock
from tests.warehouse.queries import Sql, empty
from tests.warehouse.simulation import Rec, bad, batch_id, fold_of, good, shard

pytestmark = pytest.mark.stack

DUE = 100.0


@dataclass
class Shelf:
    """An archive in memory: objects by key, and which of them were read."""

    objects_: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def put(self, key: str, *numbers: int, source: str = "s") -> None:
        self.objects_[key] = {source: list(numbers)}

    def objects(self) -> Iterator[tuple[str, str]]:
        return ((key, repr(held)) for key, held in sorted(self.objects_.items()))

    def numbers(self, key: str) -> dict[str, list[int]]:
        if key in self.broken:
            raise ArchiveRefused(key)
        self.read.append(key)
        return self.objects_[key]


@dataclass
class Job:
    """A stream job that commits one batch after the other; its frontier is the clock's time."""

    warehouse: Warehouse
    clock: ManualClock
    outputs: Mapping[str, WindowedOutput] = field(default_factory=lambda: OUTPUTS)
    batches: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.epoch = self.warehouse.take_epoch("events")

    def commit(self, *records: Rec, said: Sequence[Status] = (), upto: datetime | None = None) -> None:
        progress: list[ShardProgress] = [shard(frontier=upto or self.clock.now())]
        fold = fold_of(records, statuses=said, progress=progress, outputs=self.outputs)
        self.warehouse.commit(batch_id(next(self.batches)), self.epoch, fold)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def job(warehouse: Warehouse, clock: ManualClock) -> Job:
    return Job(warehouse, clock)


@pytest.fixture
def compare(url: str, clock: ManualClock, shelf: Shelf) -> Callable[..., Report]:
    def run(wait: float = 0, **changes: Any) -> Report:
        check = ArchiveCheck(shelf, DUE, **changes)
        return reconcile(url, clock, wait=wait, check=check)

    return run


def account(report: Report, source: str = "s") -> tuple[int, int, int, int]:
    """Archived, missing, in flight, extra."""
    [line] = [line for line in report.sources if line.source == source]
    assert isinstance(line, ArchivedSource)
    return line.archived, line.archive_missing, line.archive_in_flight, line.archive_extra


def closed(clock: ManualClock, last: int, source: str = "s") -> Status:
    return Status(source, last, last, closed=True, arrived_at=clock.now())


Compare = Callable[..., Report]


def test_a_ledger_and_an_archive_that_hold_the_same_balance(
    job: Job, shelf: Shelf, clock: ManualClock, compare: Compare
) -> None:
    job.commit(*good(1, 2, 3), *bad(4), said=[closed(clock, 4)])
    shelf.put("a", 2, 1)
    shelf.put("b", 3, 2)
    report = compare()
    assert report.balanced
    assert account(report) == (3, 0, 0, 0)
    assert report.archive == ArchiveTotals(objects=2, records=4, duplicates=1)
    told = msgspec.to_builtins(report)
    assert told["archive"] == {"objects": 2, "records": 4, "duplicates": 1}
    wanted = {"archived": 3, "archive_missing": 0, "archive_in_flight": 0, "archive_extra": 0}
    assert wanted.items() <= told["sources"][0].items()


def test_a_report_without_the_archive_does_not_speak_of_it(job: Job, url: str, clock: ManualClock) -> None:
    job.commit(*good(1), said=[closed(clock, 1)])
    told = msgspec.to_builtins(reconcile(url, clock))
    assert "archive" not in told
    assert not [name for name in told["sources"][0] if name.startswith("archive")]


def test_a_counted_number_is_in_flight_until_the_buffers_are_due_and_then_missing(
    job: Job, shelf: Shelf, clock: ManualClock, compare: Compare
) -> None:
    job.commit(*good(1, 2, 3, 4, 5), said=[closed(clock, 5)])
    shelf.put("a", 2, 5)
    clock.advance(DUE - 1)
    assert account(compare()) == (2, 0, 3, 0)
    clock.advance(1)
    report = compare()
    assert account(report) == (2, 3, 0, 0)
    assert not report.balanced
    [line] = report.sources
    assert isinstance(line, ArchivedSource)
    assert line.archive_missing_ranges == [(1, 1), (3, 4)]


def test_a_source_that_never_rests_is_judged_by_when_its_gap_was_first_noticed(
    job: Job, shelf: Shelf, clock: ManualClock, compare: Compare
) -> None:
    job.commit(*good(1, 2, 3))
    shelf.put("a", 1, 3)
    clock.advance(DUE)
    job.commit(*good(4))
    assert account(compare()) == (2, 0, 2, 0)
    clock.advance(DUE)
    job.commit(*good(5))
    shelf.put("b", 4)
    assert account(compare()) == (3, 1, 1, 0)


def test_a_gap_that_is_filled_is_forgotten_and_a_new_one_has_its_own_time(
    job: Job, shelf: Shelf, clock: ManualClock, compare: Compare, sql: Sql
) -> None:
    job.commit(*good(1, 2))
    compare()
    clock.advance(DUE - 1)
    job.commit(*good(3))
    shelf.put("a", 1, 2)
    compare()
    assert sql("select source, first_number, last_number, noticed_at from archive_gaps") == [
        ("s", 3, 3, clock.now())
    ]
    clock.advance(2)
    job.commit(*good(4))
    assert account(compare()) == (2, 0, 2, 0)
    shelf.put("b", 3, 4)
    assert account(compare()) == (4, 0, 0, 0)
    assert sql("select * from archive_gaps") == []


def test_what_only_the_archive_has_is_in_flight_until_the_job_has_read_past_it(
    job: Job, shelf: Shelf, clock: ManualClock, compare: Compare
) -> None:
    job.commit(*good(1), *bad(2), said=[Status("s", 5, 5, closed=True, arrived_at=clock.now())])
    shelf.put("a", 1, 2, 3, 4)
    clock.advance(1)
    assert account(compare()) == (4, 0, 2, 0)
    clock.advance(1)
    job.commit(*good(3))
    report = compare()
    assert account(report) == (4, 0, 0, 1)
    assert not report.balanced


def test_a_number_that_was_written_off_and_lies_in_the_archive_is_not_extra(
    job: Job, url: str, shelf: Shelf, clock: ManualClock, compare: Compare
) -> None:
    job.commit(*good(1, 3), said=[closed(clock, 3)])
    write_off(url, clock, "s", (2, 2), reason="lost")
    shelf.put("a", 1, 2, 3)
    compare()
    clock.advance(1)
    job.commit()
    report = compare()
    assert account(report) == (3, 0, 0, 0)
    assert report.balanced


def test_a_source_that_only_the_archive_knows_has_a_line(
    job: Job, shelf: Shelf, clock: ManualClock, compare: Compare
) -> None:
    shelf.put("a", 7, source="stranger")
    compare()
    clock.advance(1)
    job.commit()
    report = compare()
    assert account(report, "stranger") == (1, 0, 0, 1)
    assert not report.balanced


def test_each_object_is_read_once_and_again_only_when_it_changes(
    job: Job, shelf: Shelf, compare: Compare
) -> None:
    job.commit(*good(1, 2, 3))
    shelf.put("a", 1)
    shelf.put("b", 2)
    compare()
    compare()
    assert sorted(shelf.read) == ["a", "b"]
    shelf.put("a", 1, 3)
    assert compare().archive == ArchiveTotals(objects=2, records=3, duplicates=0)
    assert sorted(shelf.read) == ["a", "a", "b"]


def test_a_reading_that_is_cut_short_goes_on_where_it_was(
    job: Job, shelf: Shelf, compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_store, "_STEP", 2)
    numbers = range(1, 8)
    job.commit(*good(*numbers))
    for number in numbers:
        shelf.put(f"object {number}", number)
    shelf.broken = {"object 6"}
    with pytest.raises(ArchiveRefused):
        compare()
    assert sorted(shelf.read)[:4] == [f"object {number}" for number in range(1, 5)]
    shelf.read.clear()
    shelf.broken.clear()
    seen: list[tuple[int, int]] = []
    report = compare(progress=lambda done, of: seen.append((done, of)))
    assert sorted(shelf.read) == ["object 5", "object 6", "object 7"]
    assert seen == [(0, 3), (2, 3), (3, 3)]
    assert account(report) == (7, 0, 0, 0)


class WorkingClock(ManualClock):
    """Lets something happen at each sleep."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        super().__init__()
        self.steps = list(steps)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.steps:
            self.steps.pop(0)()


def test_waiting_lets_the_archive_catch_up_and_bears_with_an_s3_that_is_away(
    job: Job, url: str, shelf: Shelf, clock: ManualClock
) -> None:
    job.commit(*good(1, 2), said=[closed(clock, 2)], upto=clock.now() + timedelta(hours=1))
    shelf.put("a", 1)

    class Away(Shelf):
        def objects(self) -> Iterator[tuple[str, str]]:
            if working.steps:
                raise ArchiveUnavailable("no answer")
            return shelf.objects()

        def numbers(self, key: str) -> dict[str, list[int]]:
            return shelf.numbers(key)

    working = WorkingClock(lambda: None, lambda: shelf.put("b", 2))
    report = reconcile(url, working, wait=60, check=ArchiveCheck(Away(), DUE))
    assert report.balanced
    assert account(report) == (2, 0, 0, 0)


def test_lines_with_the_archive_fold_like_others(
    job: Job, shelf: Shelf, clock: ManualClock, compare: Compare
) -> None:
    job.commit(*good(1), *good(1, source="t"), said=[closed(clock, 1), closed(clock, 1, "t")])
    shelf.put("a", 1)
    shelf.put("b", 1, source="t")
    [folded] = fold_settled(compare().sources)
    assert isinstance(folded, ArchivedSource)
    assert (folded.source, folded.counted, folded.archived) == ("(2 closed sources)", 2, 2)


@dataclass
class Model:
    """The comparison, said with sets of numbers."""

    counted: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    lines: Counter[int] = field(default_factory=Counter)
    noticed: dict[int, datetime] = field(default_factory=dict)

    def after(
        self, fine: set[int], refused: set[int], stored: list[int], now: datetime
    ) -> tuple[int, int, int, int]:
        self.counted |= fine
        self.rejected = (self.rejected | refused) - self.counted
        self.lines.update(stored)
        lacking = self.counted - self.lines.keys()
        beyond = self.lines.keys() - self.counted - self.rejected
        missing = {n for n in lacking if (now - self.noticed.get(n, now)).total_seconds() >= DUE}
        self.noticed = {n: self.noticed.get(n, now) for n in lacking}
        return len(self.lines), len(missing), len(lacking - missing) + len(beyond), 0


numbers = st.lists(st.integers(1, 30), max_size=12)
rounds = st.lists(st.tuples(numbers, numbers, numbers, st.integers(0, 150)), min_size=1, max_size=4)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds)
def test_any_sequence_of_batches_and_objects_is_accounted_as_sets_would(
    url: str, sql: Sql, sequence: list[tuple[Any, ...]]
) -> None:
    empty(sql, "archive_objects", "archive_ranges", "archive_gaps")
    clock, shelf, model = ManualClock(), Shelf(), Model()
    with closing(open_warehouse(url, clock)) as warehouse:
        job = Job(warehouse, clock, outputs={})
        for number, (fine, refused, stored, pause) in enumerate(sequence):
            job.commit(*good(*fine), *bad(*refused))
            shelf.put(str(number), *stored)
            clock.advance(pause)
            job.commit(*good(100 + number))  # the source does not rest
            expected = model.after({*fine, 100 + number}, set(refused), stored, clock.now())
            report = reconcile(url, clock, check=ArchiveCheck(shelf, DUE))
            assert account(report) == expected
            records = model.lines.total()
            assert report.archive == ArchiveTotals(
                objects=number + 1, records=records, duplicates=records - len(model.lines)
            )
