"""A delivery in its thread: what it waits for, how it drains, and what ends it."""

import json
from collections.abc import Callable

import pytest

from headrace.errors import ArchiveUnavailable, HaltError, KinesisRefused, KinesisUnavailable, StreamRecreated
from headrace.ops.shutdown import Shutdown
from infra.local.delivery.engine import DeliveryStream
from infra.local.delivery.monitor import Monitor
from infra.local.delivery.worker import Worker
from tests.doubles.clock import ManualClock
from tests.infra.delivery.scripted import Scripted, record, records
from tests.producers.processes import wait_for


class Bench:
    """Workers on one shutdown and one monitor, their deliveries on scripted ports."""

    def __init__(self, *streams: str, drain_seconds: float = 25) -> None:
        self.drain_seconds = drain_seconds
        self.clock = ManualClock()
        self.shutdown = Shutdown()
        self.monitor = Monitor(self.clock, streams)
        self.workers: list[Worker] = []

    def start(self, stream: str, begin: Callable[[], DeliveryStream]) -> Worker:
        worker = Worker(
            stream,
            begin,
            feeders=tuple(self.workers),
            monitor=self.monitor,
            shutdown=self.shutdown,
            clock=self.clock,
            drain_seconds=self.drain_seconds,
        )
        self.workers.append(worker)
        worker.start()
        return worker

    def stop(self) -> None:
        self.shutdown.request("the test is over")
        for worker in self.workers:
            worker.join()


@pytest.fixture
def bench() -> Bench:
    return Bench("events")


def test_a_stop_reads_on_and_writes_everything(bench: Bench) -> None:
    scripted = Scripted(bench.clock)
    worker = bench.start("events", scripted.delivery)
    wait_for(lambda: bench.monitor.health().ok)
    scripted.chunks += [[record(b"one", 1)], [record(b"two", 2)]]
    bench.stop()
    assert (b"".join(scripted.lines()), worker.failure) == (b"onetwo", None)


def test_the_second_is_drained_after_the_first_whose_function_may_still_put_records_on_it() -> None:
    bench = Bench("events", "errors", drain_seconds=1e6)  # the second's waiting moves the clock by hand
    first, second = Scripted(bench.clock), Scripted(bench.clock)
    reject = json.dumps({"data": {"code": "not_json"}}).encode()

    def put_a_reject(_: object) -> object:
        second.chunks.append(records(reject))
        return {"records": []}

    first.handler = put_a_reject
    bench.start("events", first.delivery)
    bench.start("errors", lambda: second.delivery("errors"))
    wait_for(lambda: bench.monitor.health().ok)
    first.chunks.append(records(b"bad"))
    bench.stop()
    assert second.lines("errors/") == [reject]


def test_a_service_that_is_away_is_waited_for_and_health_is_red_meanwhile(bench: Bench) -> None:
    scripted = Scripted(bench.clock)
    away = [KinesisUnavailable("no answer")]

    def begin() -> DeliveryStream:
        if away:
            raise away[0]
        return scripted.delivery()

    bench.start("events", begin)
    wait_for(lambda: "no answer" in str(bench.monitor.health().detail))
    assert not bench.monitor.health().ok
    away.clear()
    wait_for(lambda: bench.monitor.health().ok)
    bench.stop()


def test_a_stop_gives_up_a_bucket_that_stays_away_and_the_checkpoint_stays(bench: Bench) -> None:
    scripted = Scripted(bench.clock)
    scripted.chunks.append(records(b"one"))
    scripted.put_errors = [ArchiveUnavailable("503")] * 1000
    worker = bench.start("events", scripted.delivery)
    wait_for(lambda: not scripted.chunks)
    bench.stop()
    assert (worker.failure, scripted.saved, scripted.objects) == (None, [], {})


def test_a_stream_made_anew_is_opened_anew_once_the_old_records_are_written(bench: Bench) -> None:
    old, new = Scripted(bench.clock), Scripted(bench.clock)
    old.chunks = [records(b"old"), StreamRecreated("made anew")]
    new.chunks = [records(b"new")]
    begun = iter([old, new])
    bench.start("events", lambda: next(begun).delivery())
    wait_for(lambda: not new.chunks)
    bench.stop()
    assert (old.lines(), new.lines()) == ([b"old"], [b"new"])


def test_a_stream_that_goes_while_a_stop_drains_it_does_not_keep_its_records_from_the_archive(
    bench: Bench,
) -> None:
    scripted = Scripted(bench.clock)
    scripted.chunks = [records(b"one"), StreamRecreated("made anew")]

    def begin() -> DeliveryStream:
        bench.shutdown.request("a stop")
        return scripted.delivery()

    worker = bench.start("events", begin)
    bench.stop()
    assert (scripted.lines(), worker.failure) == ([b"one"], None)


@pytest.mark.parametrize("error", [KinesisRefused("denied"), ZeroDivisionError("a bug")])
def test_what_no_waiting_can_help_ends_the_process_and_is_told(bench: Bench, error: Exception) -> None:
    def begin() -> DeliveryStream:
        raise error

    worker = bench.start("events", begin)
    worker.join()
    assert (worker.failure, bench.shutdown.requested()) == (error, True)
    assert isinstance(error, HaltError | ArithmeticError)
