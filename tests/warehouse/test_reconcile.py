from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from headrace.errors import SchemaMismatch, WarehouseUnavailable, WriteOffRefused
from headrace.warehouse.batch import Exclusions, ShardProgress, Status
from headrace.warehouse.reconcile import reconcile, write_off
from headrace.warehouse.report import Report, SourceReport
from headrace.warehouse.warehouse import Warehouse
from tests.doubles.clock import ManualClock
from tests.warehouse.queries import Sql, ranges
from tests.warehouse.simulation import (
    START,
    Rec,
    bad,
    batch_id,
    edit,
    fold_of,
    good,
    shard,
    signup,
)

pytestmark = pytest.mark.stack

LATER = START + timedelta(seconds=30)


def status(
    spooled: int, acknowledged: int, *, closed: bool = False, at: datetime = START, source: str = "s"
) -> Status:
    return Status(source, spooled, acknowledged, closed, at)


class Job:
    """A stream job that commits one batch after the other."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._epoch = warehouse.take_epoch("events")
        self._batches = 0

    def commit(
        self, *records: Rec, said: tuple[Status, ...] = (), upto: datetime = START, **more: Any
    ) -> None:
        progress: list[ShardProgress] = [shard(frontier=upto, **more)]
        fold = fold_of(records, statuses=said, progress=progress)
        self._warehouse.commit(batch_id(self._batches), self._epoch, fold)
        self._batches += 1


@pytest.fixture
def job(warehouse: Warehouse) -> Job:
    return Job(warehouse)


def line(report: Report) -> SourceReport:
    [only] = report.sources
    return only


def test_a_closed_source_with_every_number_balances(job: Job, url: str, clock: ManualClock) -> None:
    job.commit(*good(1, 2, 3, 3), *bad(4), said=(status(4, 4, closed=True),))
    report = reconcile(url, clock)
    assert report.balanced
    assert msgspec.to_builtins(line(report)) == {
        "source": "s",
        "sent": 4,
        "counted": 3,
        "rejected": 1,
        "missing": 0,
        "duplicates_dropped": 1,
        "in_flight": 0,
        "written_off": 0,
        "replayed": 0,
        "closed": True,
        "silent": False,
        "missing_ranges": [],
    }
    assert [(o.name, o.records, o.expected) for o in report.outputs] == [
        ("user_signups_10m", 0, 0),
        ("web_paths_5m", 3, 3),
        ("web_traffic_1m", 3, 3),
        ("web_visitors_15m", 3, 3),
        ("wiki_edits_1m", 0, 0),
    ]


def test_a_rejected_record_that_is_mended_and_counted_is_told_as_replayed(
    job: Job, url: str, clock: ManualClock
) -> None:
    job.commit(*bad(1, 2, 3), *good(4), said=(status(4, 4, closed=True),))
    job.commit(*good(2, 3, 4))
    report = reconcile(url, clock)
    assert report.balanced
    assert (line(report).rejected, line(report).replayed, line(report).counted) == (1, 2, 3)
    job.commit(*good(2), *bad(3))
    assert line(reconcile(url, clock)).replayed == 2


def test_every_output_is_held_against_the_records_of_its_own_type(
    job: Job, url: str, clock: ManualClock, sql: Sql
) -> None:
    job.commit(*good(1, 2, 3), edit("s", 4), edit("s", 5), signup("s", 6), said=(status(6, 6, closed=True),))
    report = reconcile(url, clock)
    assert report.balanced
    assert [(o.name, o.records, o.expected) for o in report.outputs] == [
        ("user_signups_10m", 1, 1),
        ("web_paths_5m", 3, 3),
        ("web_traffic_1m", 3, 3),
        ("web_visitors_15m", 3, 3),
        ("wiki_edits_1m", 2, 2),
    ]
    sql("update wiki_edits_1m set records = records + 1")
    report = reconcile(url, clock)
    assert not report.balanced
    assert [o.name for o in report.outputs if not o.balanced] == ["wiki_edits_1m"]


@pytest.mark.usefixtures("job")
def test_an_empty_warehouse_balances(url: str, clock: ManualClock) -> None:
    assert reconcile(url, clock).balanced


def test_an_acknowledged_number_is_missing_once_every_shard_has_passed_the_status(
    job: Job, url: str, clock: ManualClock
) -> None:
    job.commit(*good(1, 3, 6), said=(status(6, 4, closed=True, at=LATER),), upto=LATER)
    report = reconcile(url, clock)
    assert (line(report).missing, line(report).in_flight) == (0, 3)
    assert not report.balanced
    job.commit(upto=LATER + timedelta(microseconds=1))
    found = line(reconcile(url, clock))
    assert (found.missing, found.in_flight, found.missing_ranges) == (2, 1, [(2, 2), (4, 4)])


def test_one_slow_shard_holds_the_verdict_back(job: Job, url: str, clock: ManualClock) -> None:
    job.commit(*good(1), said=(status(2, 2, closed=True),), upto=LATER)
    job.commit(upto=START - timedelta(seconds=1), name="shard-1")
    assert line(reconcile(url, clock)).in_flight == 1
    job.commit(upto=LATER, name="shard-1")
    assert line(reconcile(url, clock)).missing == 1


def test_a_drained_parent_counts_until_its_children_are_in(job: Job, url: str, clock: ManualClock) -> None:
    job.commit(*good(1), said=(status(2, 2, closed=True),), name="parent", closed=True)
    job.commit(upto=LATER, name="elsewhere")
    assert line(reconcile(url, clock)).in_flight == 1
    job.commit(upto=LATER, name="child", parents=("parent",))
    assert line(reconcile(url, clock)).missing == 1


def test_a_source_without_a_status_is_judged_up_to_its_highest_number(
    job: Job, url: str, clock: ManualClock
) -> None:
    job.commit(*good(1, 2, 5))
    found = line(reconcile(url, clock))
    assert (found.sent, found.missing, found.in_flight, found.silent) == (5, 0, 2, False)
    job.commit(upto=clock.now() + timedelta(seconds=1))
    assert line(reconcile(url, clock)).missing_ranges == [(3, 4)]
    job.commit(*good(3, 4))
    assert reconcile(url, clock).balanced


def test_a_producer_that_went_silent_is_not_balanced(job: Job, url: str, clock: ManualClock) -> None:
    clock.set(START)
    job.commit(*good(1), said=(status(1, 1),))
    clock.advance(60)
    assert reconcile(url, clock).balanced
    clock.advance(1)
    report = reconcile(url, clock)
    assert line(report).silent
    assert not report.balanced
    job.commit(said=(status(1, 1, closed=True),))
    assert reconcile(url, clock).balanced


def test_statuses_merge_by_greatest_in_any_order(job: Job, sql: Sql) -> None:
    job.commit(said=(status(9, 8, at=LATER), status(5, 5)))
    job.commit(said=(status(7, 7, closed=True, at=START),))
    assert sql("select spooled, acknowledged, closed, status_at from ledger_sources") == [(9, 8, True, LATER)]


@pytest.mark.parametrize(
    "tampering",
    [
        "update web_traffic_1m set records = records + 1",
        "delete from web_traffic_1m",
        "update ledger_types set records = records - 1",
    ],
)
def test_a_window_that_counts_a_record_twice_or_not_is_found(
    job: Job, url: str, clock: ManualClock, sql: Sql, tampering: str
) -> None:
    job.commit(*good(1, 2), said=(status(2, 2, closed=True),))
    assert reconcile(url, clock).balanced
    sql(tampering)
    report = reconcile(url, clock)
    assert not report.balanced
    assert "web_traffic_1m" in {output.name for output in report.outputs if not output.balanced}


def test_written_off_numbers_balance_and_stay_visible(
    job: Job, url: str, clock: ManualClock, sql: Sql
) -> None:
    job.commit(*good(1, 2, 6), said=(status(6, 6, closed=True),), upto=LATER)
    assert line(reconcile(url, clock)).missing == 3
    for _ in range(2):
        write_off(url, clock, "s", (3, 5), reason="the disk burnt")
    report = reconcile(url, clock)
    assert report.balanced
    assert (line(report).missing, line(report).written_off) == (0, 3)
    assert sql("select source, first_number, last_number, reason from ledger_write_offs") == [
        ("s", 3, 5, "the disk burnt")
    ]


def test_a_written_off_number_that_arrives_is_counted_and_leaves_the_column(
    job: Job, url: str, clock: ManualClock, sql: Sql
) -> None:
    job.commit(*good(1, 5))
    write_off(url, clock, "s", (2, 4), reason="lost")
    job.commit(*good(3), *bad(4), upto=clock.now() + timedelta(seconds=1))
    found = line(reconcile(url, clock))
    assert (found.counted, found.rejected, found.written_off, found.missing) == (3, 1, 1, 0)
    assert ranges(sql, "written_off") == [("s", 2, 2)]


@pytest.mark.parametrize(
    "attempt",
    [
        ("s", (1, 2), "1-1 arrived"),
        ("s", (3, 4), "3-3 arrived"),
        ("s", (2, 9), "has given out the numbers 1-6"),
        ("s", (0, 2), "has given out the numbers 1-6"),
        ("s", (5, 4), "an empty range"),
        ("another", (1, 1), "no source is called 'another'"),
    ],
)
def test_what_arrived_or_was_never_sent_cannot_be_written_off(
    job: Job, url: str, clock: ManualClock, attempt: tuple[str, tuple[int, int], str]
) -> None:
    source, numbers, says = attempt
    job.commit(*good(1), *bad(3), said=(status(6, 6),))
    with pytest.raises(WriteOffRefused, match=says):
        write_off(url, clock, source, numbers, reason="wrong")


def test_writing_off_the_end_of_a_silent_source_closes_it(job: Job, url: str, clock: ManualClock) -> None:
    clock.set(START)
    job.commit(*good(1, 2), said=(status(4, 2),), upto=LATER)
    clock.advance(3_600)
    assert line(reconcile(url, clock)).in_flight == 2
    write_off(url, clock, "s", (3, 4), reason="the machine is gone")
    report = reconcile(url, clock)
    assert report.balanced
    assert line(report).closed


class WorkingClock(ManualClock):
    """Lets something happen at each sleep."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        super().__init__()
        self.steps = list(steps)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.steps:
            self.steps.pop(0)()


def test_waiting_lets_what_is_in_flight_arrive(job: Job, url: str) -> None:
    job.commit(*good(1), said=(status(3, 3, closed=True),))
    later = ManualClock().now() + timedelta(seconds=5)
    clock = WorkingClock(
        lambda: job.commit(*good(2)), lambda: job.commit(upto=later), lambda: job.commit(*good(3))
    )
    report = reconcile(url, clock, wait=60)
    assert not report.balanced
    assert line(report).missing_ranges == [(3, 3)]
    assert len(clock.steps) == 1
    clock.sleep(1)
    assert reconcile(url, clock, wait=60).balanced


def test_waiting_sees_a_source_that_no_batch_has_brought_yet(job: Job, url: str) -> None:
    later = ManualClock().now() + timedelta(seconds=5)
    clock = WorkingClock(lambda: job.commit(*good(1, 3), upto=later))
    assert line(reconcile(url, clock, wait=60)).missing_ranges == [(2, 2)]


def test_waiting_ends(job: Job, url: str) -> None:
    job.commit(*good(1, 3))
    clock = ManualClock()
    assert line(reconcile(url, clock, wait=10)).in_flight == 1
    assert 10 <= clock.monotonic() < 11


def test_a_warehouse_without_tables_or_without_answer_is_said(empty_url: str, clock: ManualClock) -> None:
    with pytest.raises(SchemaMismatch, match="headrace up"):
        reconcile(empty_url, clock)
    with pytest.raises(WarehouseUnavailable):
        reconcile("postgresql://nobody@127.0.0.1:1/none", clock, wait=2)
    assert clock.monotonic() >= 2


def test_a_broken_de_duplication_is_caught(
    job: Job, url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.warehouse.warehouse.exclusions", lambda *_: Exclusions())
    job.commit(*good(1, 2, 3), said=(status(3, 3, closed=True),))
    assert reconcile(url, clock).balanced
    job.commit(*good(2))
    report = reconcile(url, clock)
    assert not report.balanced
    assert line(report).balanced, "the ranges alone hide it"
    assert (report.ledger.records, report.ledger.expected) == (4, 3)
