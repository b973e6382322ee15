from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.warehouse.batch import Committed, Exclusions, Fold, FoldedBatch
from headrace.warehouse.warehouse import connect as open_warehouse
from tests.doubles.clock import ManualClock
from tests.warehouse.queries import Sql, empty, state
from tests.warehouse.simulation import START, batch_id, fold_of, shard

pytestmark = pytest.mark.stack

MINUTE = timedelta(minutes=1)
TYPE = "web_access.v1"
Minutes = dict[tuple[str, datetime], tuple[int, int]]


def arriving(minutes: Minutes, frontier: datetime) -> Fold:
    """A fold of nothing but what arrived per type and minute."""

    def fold(exclusions: Exclusions) -> FoldedBatch:
        batch = fold_of([], progress=[shard(frontier=frontier)], outputs={})(exclusions)
        return replace(batch, minutes=minutes)

    return fold


class Job:
    """A stream job without outputs that commits one batch after the other."""

    def __init__(self, url: str, **changes: Any) -> None:
        self.warehouse = open_warehouse(url, ManualClock(), **changes)
        self._epoch = self.warehouse.take_epoch("events")
        self._batches = 0

    def commit(self, frontier: datetime, minutes: Minutes | None = None) -> Committed:
        self._batches += 1
        return self.again(frontier, minutes)

    def again(self, frontier: datetime, minutes: Minutes | None = None) -> Committed:
        return self.warehouse.commit(batch_id(self._batches), self._epoch, arriving(minutes or {}, frontier))


@pytest.fixture
def job(url: str) -> Iterator[Job]:
    job = Job(url)
    yield job
    job.warehouse.close()


def breakers(sql: Sql) -> list[tuple[Any, ...]]:
    return sql("select record_type, opened_at, closed_at, counted, rejected from breakers order by opened_at")


@pytest.mark.parametrize(
    ("counted", "rejected", "opens"),
    [(95, 5, False), (94, 6, True), (93, 6, False), (0, 99, False), (0, 100, True), (10_000, 500, False)],
)
def test_it_opens_above_the_limit_with_at_least_a_hundred_records(
    job: Job, sql: Sql, counted: int, rejected: int, opens: bool
) -> None:
    done = job.commit(START, {(TYPE, START): (counted, rejected)})
    assert breakers(sql) == ([(TYPE, START, None, counted, rejected)] if opens else [])
    assert [(s.record_type, s.is_open, s.was_open) for s in done.shares] == [(TYPE, opens, False)]


def test_it_looks_at_the_frontiers_minute_of_arrival_and_the_four_before_it(job: Job, sql: Sql) -> None:
    job.commit(START, {(TYPE, START - 5 * MINUTE): (0, 500), (TYPE, START + MINUTE): (0, 500)})
    assert breakers(sql) == []
    job.commit(START + MINUTE - timedelta(microseconds=1), {(TYPE, START - 4 * MINUTE): (50, 50)})
    assert breakers(sql) == [(TYPE, START + MINUTE - timedelta(microseconds=1), None, 50, 50)]


def test_it_closes_below_half_of_the_limit_and_by_time_alone(job: Job, sql: Sql) -> None:
    job.commit(START, {(TYPE, START): (0, 100)})
    job.commit(START + 5 * MINUTE, {(TYPE, START + 5 * MINUTE): (975, 25)})
    assert breakers(sql) == [(TYPE, START, None, 0, 100)]
    closing = START + 5 * MINUTE + timedelta(seconds=5)
    job.commit(closing, {(TYPE, START + 5 * MINUTE): (1, 0)})
    assert breakers(sql) == [(TYPE, START, closing, 0, 100)]
    job.commit(START + 20 * MINUTE, {("", START + 20 * MINUTE): (0, 100)})
    quiet = START + 25 * MINUTE
    done = job.commit(quiet)
    assert breakers(sql)[1:] == [("", START + 20 * MINUTE, quiet, 0, 100)]
    assert [(s.record_type, s.share, s.is_open, s.was_open) for s in done.shares] == [("", 0, False, True)]
    assert job.commit(quiet).shares == []


def test_each_type_has_a_breaker_of_its_own(job: Job, sql: Sql) -> None:
    job.commit(START, {(TYPE, START): (1_000, 0), ("wiki_edit.v1", START): (10, 90)})
    assert [row[0] for row in breakers(sql)] == ["wiki_edit.v1"]


def test_a_batch_that_comes_back_changes_nothing(job: Job, sql: Sql) -> None:
    minutes: Minutes = {(TYPE, START): (40, 40)}
    job.commit(START, minutes)
    before = state(sql)
    assert job.again(START, minutes) == Committed(already=True)
    assert state(sql) == before


def test_a_batch_without_a_frontier_is_not_judged(job: Job, sql: Sql) -> None:
    fold = fold_of([], outputs={})
    job.warehouse.commit(batch_id(9), 1, lambda told: replace(fold(told), minutes={(TYPE, START): (0, 100)}))
    assert breakers(sql) == []


def test_minutes_of_more_than_a_day_ago_are_deleted_once_an_hour(job: Job, sql: Sql) -> None:
    day = timedelta(days=1)
    job.commit(START + 30 * MINUTE, {(TYPE, START - day - MINUTE): (1, 0), (TYPE, START - day): (1, 0)})
    assert sql("select count(*) from type_minutes") == [(2,)]
    job.commit(START + 60 * MINUTE)
    assert sql("select count(*) from type_minutes") == [(0,)]
    job.commit(START + 120 * MINUTE, {(TYPE, START + 120 * MINUTE - day): (1, 0)})
    assert sql("select count(*) from type_minutes") == [(1,)]


@dataclass
class Model:
    """The rule in plain Python: every record that ever arrived in a list, shares as fractions."""

    limit: Fraction
    arrived: list[tuple[str, datetime, int, int]] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)

    def batch(self, frontier: datetime, minutes: Minutes) -> None:
        self.arrived += [(name, at, *counts) for (name, at), counts in minutes.items()]
        end = frontier.replace(second=0, microsecond=0) + MINUTE
        for name in ("", TYPE, "wiki_edit.v1"):
            near = [a for a in self.arrived if a[0] == name and end - 5 * MINUTE <= a[1] < end]
            good, bad = sum(a[2] for a in near), sum(a[3] for a in near)
            share = Fraction(bad, good + bad) if good + bad else Fraction(0)
            opened = [row for row in self.rows if row[0] == name and row[2] is None]
            if opened and share < self.limit / 2:
                opened[0][2] = frontier
            elif not opened and share > self.limit and good + bad >= 100:
                self.rows.append([name, frontier, None, good, bad])


counts = st.tuples(st.sampled_from([0, 10, 57, 95, 190]), st.sampled_from([0, 0, 1, 3, 5, 10, 60]))
places = st.tuples(
    st.sampled_from(["", TYPE, "wiki_edit.v1"]), st.integers(-6, 2).map(lambda minutes: minutes * MINUTE)
)
steps = st.tuples(
    st.sampled_from([timedelta(0), timedelta(seconds=5), timedelta(seconds=40), MINUTE, 7 * MINUTE]),
    st.dictionaries(places, counts, max_size=4),
    st.booleans(),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=1, max_size=8), st.sampled_from(["0.01", "0.05", "0.5", "1"]))
def test_any_sequence_of_batches_opens_and_closes_what_the_rule_says(
    url: str, sql: Sql, sequence: list[tuple[timedelta, dict[tuple[str, timedelta], Any], bool]], limit: str
) -> None:
    empty(sql)
    model, job = Model(Fraction(limit)), Job(url, breaker_share=float(limit))
    frontier = START
    for moved, found, again in sequence:
        frontier += moved
        minute = frontier.replace(second=0, microsecond=0)
        minutes: Minutes = {(name, minute + offset): n for (name, offset), n in found.items()}
        job.commit(frontier, minutes)
        if again:
            job.again(frontier, minutes)
        model.batch(frontier, minutes)
    job.warehouse.close()
    assert sorted(map(repr, breakers(sql))) == sorted(repr(tuple(row)) for row in model.rows)
