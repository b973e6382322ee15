"""A whole producer in this process, against the double."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from headrace.errors import KinesisNotFound, SettingsError, SpoolInUse
from headrace.ops.shutdown import Shutdown
from producers.progress import Progress
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import FailRecords, Misroute, Refuse, Reset
from tests.producers.received import access_lines, assert_all_arrived, receive
from tests.producers.spool.spools import move_to_another_machine, open_spool


def stop_when(shutdown: Shutdown, is_so: Callable[[Progress], bool]) -> Callable[[Progress], None]:
    """Tells the producer to stop as soon as its progress is so."""
    return lambda progress: shutdown.request("the test") if is_so(progress) else None


def test_every_line_of_a_file_arrives_under_its_number(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    assert produce(log) == 0
    assert_all_arrived(kinesis)


def test_a_file_that_was_sent_is_not_sent_again(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    produce(log)
    produce(log)
    assert_all_arrived(kinesis)
    assert set(receive(kinesis).copies.values()) == {1}


def test_what_a_file_has_grown_by_goes_under_a_new_source(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    produce(log)
    log.write_bytes(log.read_bytes() + b"\n".join(access_lines(10, 3_001)))
    produce(log)
    received = receive(kinesis)
    assert [len(received.numbers(source)) for source in sorted(received.statuses)] == [3_000, 10]
    assert received.paths() == [f"/{n}" for n in range(1, 3_011)]


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_failing_records_are_sent_again_and_only_they(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path, share: float
) -> None:
    kinesis.faults.record_failure = share
    assert produce(log) == 0
    assert_all_arrived(kinesis)
    assert set(receive(kinesis).copies.values()) == {1}


def test_failing_requests_are_sent_again_even_those_that_had_taken_effect(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    kinesis.faults.script("ListShards", Refuse(status=503), Reset())
    kinesis.faults.script("PutRecords", Refuse(), Reset(), Reset(after=True), Refuse(after=True))
    assert produce(log) == 0
    assert_all_arrived(kinesis)


def test_throttled_records_arrive_in_the_end(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    kinesis.faults.script("PutRecords", *[FailRecords()] * 6)
    assert produce(log) == 0
    assert_all_arrived(kinesis)


def test_aggregates_that_landed_in_another_shard_are_sent_again(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    shard = min(kinesis.stream().shards)
    kinesis.faults.script("PutRecords", *[Misroute(shard)] * 3)
    assert produce(log) == 0
    assert_all_arrived(kinesis)


def test_a_split_and_a_merge_in_the_middle_lose_nothing(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    log.write_bytes(b"\n".join(access_lines(20_000)))
    shards = sorted(kinesis.stream().shards)
    done: list[str] = []

    def reshard(progress: Progress) -> None:
        if progress.acknowledged and not done:
            kinesis.split(shards[0])
            kinesis.merge(shards[2], shards[3])
            done.append("once")

    assert produce(log, tell=reshard, rate=40_000.0) == 0
    assert done
    assert_all_arrived(kinesis, 20_000)


def test_kinesis_down_at_the_start_is_waited_for(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    kinesis.down()
    problems: list[str] = []

    def mend(progress: Progress) -> None:
        if progress.problem and not problems:
            problems.append(progress.problem)
            kinesis.up()

    assert produce(log, tell=mend) == 0
    assert "127.0.0.1" in problems[0]
    assert_all_arrived(kinesis)


def test_healthz_says_that_kinesis_is_down_and_that_the_producer_lives(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    kinesis.down()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answers: list[requests.Response] = []

    def ask(progress: Progress) -> None:
        red = bool(progress.problem) and not answers
        if red or (answers and progress.acknowledged):
            answers.append(requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5))
        if red:
            kinesis.up()

    assert produce(log, tell=ask, health_port=port) == 0
    assert (answers[0].status_code, answers[-1].status_code) == (200, 200)
    assert "127.0.0.1" in answers[0].json()["detail"]["problem"]
    assert answers[-1].json()["detail"]["acknowledged"] == 3_000


def test_kinesis_down_in_the_middle_is_waited_for(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    state: list[str] = []

    def cut(progress: Progress) -> None:
        if progress.acknowledged and not state:
            kinesis.down()
            state.append("down")
        elif progress.problem and state == ["down"]:
            kinesis.up()
            state.append("up")

    assert produce(log, tell=cut, rate=3_000.0) == 0
    assert state == ["down", "up"]
    assert_all_arrived(kinesis)


def test_a_missing_stream_ends_the_producer_and_keeps_the_lines(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    with pytest.raises(KinesisNotFound):
        produce(log, stream="none")
    assert produce(log) == 0
    assert_all_arrived(kinesis)


def test_a_stop_with_kinesis_away_keeps_the_rest_for_the_next_start(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    kinesis.down()
    shutdown = Shutdown()
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.waiting == 3_000:
            shutdown.request("the test")

    assert produce(log, tell=stop, shutdown=shutdown, drain_seconds=0.2) == 0
    assert (seen[-1].state, seen[-1].waiting) == ("done", 3_000)
    kinesis.up()
    assert produce(log) == 0
    assert_all_arrived(kinesis)


def test_a_stop_while_following_sends_all_and_closes_the_source(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    shutdown = Shutdown()
    tell = stop_when(shutdown, lambda progress: progress.read == 3_000)
    assert produce(log, follow=True, shutdown=shutdown, tell=tell) == 0
    assert_all_arrived(kinesis)


def test_a_full_spool_pauses_the_source_and_nothing_is_dropped(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path
) -> None:
    log.write_bytes(b"\n".join(access_lines(40_000)))
    kinesis.down()
    states: list[str] = []

    def watch(progress: Progress) -> None:
        if progress.state not in states:
            states.append(progress.state)
        if progress.state == "paused" and progress.spool_bytes <= 8 << 20 and kinesis._server is None:
            assert "paused" in progress.problem
            kinesis.up()

    assert produce(log, tell=watch, spool_bytes=8 << 20) == 0
    assert "paused" in states
    assert_all_arrived(kinesis, 40_000)


def test_a_second_producer_on_the_spool_is_refused(
    produce: Callable[..., int], tmp_path: Path, log: Path
) -> None:
    spool = open_spool(tmp_path / "spool")
    with pytest.raises(SpoolInUse):
        produce(log)
    spool.close()


def test_a_damaged_entry_becomes_a_reject_under_its_number(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    kinesis.down()
    shutdown = Shutdown()
    tell = stop_when(shutdown, lambda progress: progress.waiting == 3_000)
    produce(log, tell=tell, shutdown=shutdown, drain_seconds=0.0)
    segment = next((tmp_path / "spool").glob("*/*.segment"))
    segment.write_bytes(segment.read_bytes().replace(b'"path":"/1500"', b'"path":"/15OO"'))
    kinesis.up()
    assert produce(log) == 0
    received = receive(kinesis)
    (source,) = received.statuses
    assert received.numbers(source) == list(range(1, 3_001))
    assert {number: reject.code for number, reject in received.rejects.items()} == {1_500: "damaged_entry"}
    assert b"/15OO" in received.rejects[1_500].raw


def test_a_spool_of_another_machine_is_emptied_and_a_new_source_begun(
    produce: Callable[..., int], kinesis: KinesisDouble, log: Path, tmp_path: Path
) -> None:
    kinesis.down()
    shutdown = Shutdown()
    tell = stop_when(shutdown, lambda progress: progress.waiting == 3_000)
    produce(log, tell=tell, shutdown=shutdown, drain_seconds=0.0)
    move_to_another_machine(tmp_path / "spool")
    log.write_bytes(log.read_bytes() + b"\n".join(access_lines(5, 3_001)))
    kinesis.up()
    assert produce(log) == 0
    received = receive(kinesis)
    old, new = sorted(received.statuses)
    assert (received.numbers(old)[-1], received.numbers(new)) == (3_000, [1, 2, 3, 4, 5])
    assert received.statuses[old][-1].closed
    assert received.paths() == [f"/{n}" for n in range(1, 3_006)]


def test_settings_that_do_not_go_together_are_refused(produce: Callable[..., int], log: Path) -> None:
    with pytest.raises(SettingsError, match="paths"):
        produce()
    with pytest.raises(SettingsError, match="rebase"):
        produce(log, follow=True, rebase="now")
    with pytest.raises(SettingsError, match=r"not a record type.*web_access\.v1"):
        produce(log, type="reject.v1")
