"""What keeps an input going, on pipelines that are scripted and a clock that is moved by hand."""

from pathlib import Path
from typing import cast

import msgspec
import pytest

from headrace.errors import HeadraceError, KinesisRefused, SpoolUnusable
from producers.configuration import Input
from producers.pipeline import Pipeline
from producers.progress import Progress
from producers.settings import InputSettings
from producers.supervised import Supervised
from tests.doubles.clock import ManualClock


class Scripted:
    """A pipeline that ends when it is told, as it is told."""

    def __init__(self) -> None:
        self.started = self.is_done = self.asked_to_stop = False
        self.can_take = True
        self.failure: BaseException | None = None
        self.works = (0, 0)
        self.problem = ""

    def start(self) -> None:
        self.started = True

    def stop(self, reason: str) -> None:
        assert reason
        self.asked_to_stop = True

    def end(self, failure: BaseException | None = None) -> None:
        self.failure = failure
        self.is_done = True

    def progress(self) -> Progress:
        return Progress(state="reading", problem=self.problem)


class Stage:
    """One supervised input, and every pipeline that was made for it."""

    def __init__(self, *, begins_again: bool = True, pipelines: int = 1) -> None:
        self.clock = ManualClock()
        self.made: list[list[Scripted]] = []
        self.asked: list[Input] = []
        self.refusal: HeadraceError | None = None
        self._count = pipelines
        self.supervised = Supervised(
            an_input("events"), self._assemble, self.clock, lambda: 0.5, begins_again=begins_again
        )

    def _assemble(self, it: Input) -> list[Pipeline]:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(it)
        self.made.append([Scripted() for _ in range(self._count)])
        return cast("list[Pipeline]", self.made[-1])


def an_input(stream: str) -> Input:
    return Input("web", InputSettings(source="stdin", stream=stream), msgspec.Struct(), Path("spool"))


def test_an_input_that_comes_to_its_end_is_over() -> None:
    stage = Stage()
    stage.supervised.begin()
    stage.supervised.look()
    assert not stage.supervised.is_over
    stage.made[0][0].end()
    stage.supervised.look()
    assert stage.supervised.is_over
    assert len(stage.made) == 1


def test_one_that_fails_is_begun_again_after_a_pause_that_grows() -> None:
    stage = Stage()
    stage.supervised.begin()
    waited = []
    for attempt in range(1, 4):
        stage.made[-1][0].end(KinesisRefused("no"))
        stage.supervised.look()
        assert not stage.supervised.is_alive
        assert not stage.supervised.can_take
        assert stage.supervised.progress().state == "failed"
        before = stage.clock.monotonic()
        while len(stage.made) == attempt:
            stage.clock.advance(0.5)
            stage.supervised.look()
        waited.append(stage.clock.monotonic() - before)
        assert stage.supervised.is_alive
    assert waited == sorted(waited)
    assert waited[0] < waited[-1]


def test_one_that_cannot_begin_again_is_tried_on() -> None:
    stage = Stage()
    stage.supervised.begin()
    stage.refusal = SpoolUnusable("gone")
    stage.made[0][0].end(KinesisRefused("no"))
    for _ in range(100):
        stage.clock.advance(10)
        stage.supervised.look()
    assert len(stage.made) == 1
    stage.refusal = None
    stage.clock.advance(300)
    stage.supervised.look()
    assert len(stage.made) == 2
    assert stage.supervised.failure is None


def test_a_single_input_is_not_begun_again_and_keeps_its_failure() -> None:
    stage = Stage(begins_again=False)
    stage.supervised.begin()
    stage.made[0][0].end(KinesisRefused("no"))
    stage.clock.advance(10_000)
    stage.supervised.look()
    assert stage.supervised.is_over
    assert isinstance(stage.supervised.failure, KinesisRefused)


def test_a_failure_that_is_none_of_ours_is_never_begun_again() -> None:
    stage = Stage()
    stage.supervised.begin()
    stage.made[0][0].end(ZeroDivisionError())
    stage.clock.advance(10_000)
    stage.supervised.look()
    assert stage.supervised.is_over
    assert isinstance(stage.supervised.failure, ZeroDivisionError)


def test_when_one_of_two_pipelines_fails_the_other_is_drained_before_both_begin_again() -> None:
    stage = Stage(pipelines=2)
    stage.supervised.begin()
    first, second = stage.made[0]
    first.end(KinesisRefused("no"))
    stage.supervised.look()
    assert second.asked_to_stop
    stage.clock.advance(1_000)
    stage.supervised.look()
    assert len(stage.made) == 1
    second.end()
    stage.supervised.look()
    stage.clock.advance(1_000)
    stage.supervised.look()
    assert len(stage.made) == 2


def test_changed_settings_are_followed_once_the_old_pipeline_has_drained() -> None:
    stage = Stage()
    stage.supervised.begin()
    stage.supervised.wanted = an_input("others")
    stage.supervised.look()
    assert stage.made[0][0].asked_to_stop
    assert len(stage.made) == 1
    stage.made[0][0].end()
    stage.supervised.look()
    assert [it.settings.stream for it in stage.asked] == ["events", "others"]


def test_one_that_is_not_wanted_any_more_drains_and_is_over() -> None:
    stage = Stage()
    stage.supervised.begin()
    stage.supervised.wanted = None
    stage.supervised.look()
    assert stage.made[0][0].asked_to_stop
    assert not stage.supervised.is_over
    stage.made[0][0].end()
    stage.supervised.look()
    assert stage.supervised.is_over


@pytest.mark.parametrize("thread", [0, 1])
def test_a_thread_that_does_nothing_for_minutes_is_noticed(thread: int) -> None:
    stage = Stage(pipelines=2)
    stage.supervised.begin()
    pipelines = stage.made[0]
    for step in range(100):
        stage.clock.advance(10)
        pipelines[0].works = (step, step)
        pipelines[1].works = (step, step)
        assert stage.supervised.is_alive
    for step in range(100, 130):
        stage.clock.advance(10)
        pipelines[0].works = (step, step)
        pipelines[1].works = (99, step) if thread == 0 else (step, 99)
        alive = stage.supervised.is_alive
    assert not alive
