"""The double's own switches: throughput, retention, faults, pauses, and that it repeats itself."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from headrace import errors
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.messages import PutEntry
from headrace.kinesis.signature import Keys
from headrace.ops.clock import SystemClock
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.doubles.kinesis_faults import Cut, Fault, HalfOfResults, Late, Misroute, Refuse, Reset, Stall

FIRST = "shardId-000000000000"


@pytest.fixture
def double(clock: ManualClock) -> Iterator[KinesisDouble]:
    with KinesisDouble(clock) as double:
        double.create_stream("events", shards=2)
        yield double


def client_of(url: str, read_seconds: float = 5) -> KinesisClient:
    endpoint = Endpoint(url, "eu-west-1", lambda: Keys("AKID", "secret"))
    return KinesisClient(endpoint, SystemClock(), read_seconds=read_seconds)


def read(client: KinesisClient, shard_id: str = FIRST) -> list[bytes]:
    answer = client.get_records(client.get_shard_iterator("events", shard_id, "TRIM_HORIZON")).answer
    return [record.data for record in answer.records]


def written(client: KinesisClient, count: int, size: int = 1) -> int:
    results = client.put_records("events", [PutEntry(b"x" * size, "k", "0")] * count)
    return sum(result.error_code is None for result in results)


def test_a_shard_takes_1000_records_a_second(double: KinesisDouble, clock: ManualClock) -> None:
    double.api.throttle_writes = True
    client = client_of(double.url)
    assert [written(client, 500) for _ in range(3)] == [500, 500, 0]
    clock.advance(0.1)
    assert written(client, 500) == 100
    clock.advance(60)
    assert [written(client, 500) for _ in range(3)] == [500, 500, 0], "a burst is one second's worth"


def test_a_shard_takes_a_megabyte_a_second(double: KinesisDouble, clock: ManualClock) -> None:
    double.api.throttle_writes = True
    client = client_of(double.url)
    assert written(client, 10, 200_000) == 5
    clock.advance(1)
    assert written(client, 10, 200_000) == 5


def test_a_shard_is_read_five_times_a_second(double: KinesisDouble, clock: ManualClock) -> None:
    double.api.throttle_reads = True
    client = client_of(double.url)
    for _ in range(5):
        read(client)
    with pytest.raises(errors.KinesisThrottled):
        read(client)
    read(client, "shardId-000000000001")
    clock.advance(0.2)
    read(client)


def test_a_large_answer_blocks_the_seconds_after_it(double: KinesisDouble, clock: ManualClock) -> None:
    double.api.throttle_reads = True
    client = client_of(double.url)
    for _ in range(11):
        double.put("events", b"x" * 1_000_000, hash_key="0")
    assert len(read(client)) == 10, "10 MiB at most"
    clock.advance(3)
    with pytest.raises(errors.KinesisThrottled):
        read(client)
    clock.advance(2)
    read(client)


def test_records_are_dropped_when_their_time_is_over(double: KinesisDouble, clock: ManualClock) -> None:
    client = client_of(double.url)
    double.put("events", b"old", hash_key="0")
    number = str(double.records()[0].sequence)
    clock.advance(3600)
    double.put("events", b"new", hash_key="0")
    clock.advance(23.5 * 3600)
    assert read(client) == [b"new"]
    iterator = client.get_shard_iterator("events", FIRST, "AT_SEQUENCE_NUMBER", sequence_number=number)
    assert [r.data for r in client.get_records(iterator).answer.records] == [b"new"], "in silence, as AWS"


def test_a_closed_shard_is_forgotten_with_its_last_records(double: KinesisDouble, clock: ManualClock) -> None:
    client = client_of(double.url)
    double.put("events", b"x", hash_key="0")
    double.split(FIRST)
    clock.advance(24 * 3600)
    assert FIRST in {shard.shard_id for shard in client.list_shards("events")}
    clock.advance(1)
    assert FIRST not in {shard.shard_id for shard in client.list_shards("events")}
    with pytest.raises(errors.KinesisNotFound):
        read(client)


def test_how_far_a_reader_is_behind(double: KinesisDouble, clock: ManualClock) -> None:
    client = client_of(double.url)
    double.put("events", b"0", hash_key="0")
    clock.advance(2)
    double.put("events", b"1", hash_key="0")
    clock.advance(5)
    iterator = client.get_shard_iterator("events", FIRST, "TRIM_HORIZON")
    answer = client.get_records(iterator, limit=1).answer
    assert answer.millis_behind_latest == 5000, "the next record came five seconds ago"
    assert client.get_records(answer.next_shard_iterator or "").answer.millis_behind_latest == 0


def test_shards_multiply_and_merge_to_any_depth(double: KinesisDouble) -> None:
    low, high = double.split(FIRST)
    child = double.merge(high.shard_id, "shardId-000000000001")
    assert [shard.shard_id for shard in double.stream().open] == [low.shard_id, child.shard_id]
    assert child.parents == (high.shard_id, "shardId-000000000001")
    with pytest.raises(errors.KinesisRefused, match="not open"):
        client_of(double.url).call(
            "SplitShard", b'{"StreamName":"events","ShardToSplit":"%s"}' % FIRST.encode()
        )


def failures(seed: int) -> list[bool]:
    with KinesisDouble(ManualClock(), seed=seed) as double:
        double.create_stream("events", shards=1)
        double.faults.record_failure = 0.3
        results = client_of(double.url).put_records("events", [PutEntry(b"x", "k")] * 200)
        return [result.error_code is not None for result in results]


def test_the_same_seed_fails_the_same_records() -> None:
    assert failures(1) == failures(1) != failures(2)
    assert 30 < sum(failures(1)) < 90


def test_calls_fail_by_chance_before_or_after_they_take_effect(double: KinesisDouble) -> None:
    double.faults.call_failure = 0.5
    client, answered = client_of(double.url), 0
    for _ in range(100):
        try:
            client.put_records("events", [PutEntry(b"x", "k")])
            answered += 1
        except errors.KinesisUnavailable:
            continue
    assert 25 < answered < 75
    assert answered < len(double.records()) < 100
    double.faults.clear()
    client.put_records("events", [PutEntry(b"x", "k")])


def test_a_script_is_used_up_before_a_rule(double: KinesisDouble) -> None:
    double.faults.script("ListShards", None, Reset())
    double.faults.always("ListShards", Refuse("LimitExceededException", 400))
    client = client_of(double.url)
    client.list_shards("events")
    with pytest.raises(errors.KinesisUnavailable, match="aborted"):
        client.list_shards("events")
    for _ in range(2):
        with pytest.raises(errors.KinesisThrottled):
            client.list_shards("events")


@pytest.mark.parametrize(("after", "kept"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("fault", [Reset, Stall, lambda after: Refuse(after=after)])
def test_a_lost_answer_says_nothing_about_the_effect(
    double: KinesisDouble, fault: Callable[..., Reset | Stall | Refuse], after: bool, kept: int
) -> None:
    double.faults.script("PutRecords", fault(after=after))
    with pytest.raises(errors.KinesisUnavailable):
        client_of(double.url, read_seconds=0.2).put_records("events", [PutEntry(b"x", "k")])
    assert len(double.records()) == kept


@pytest.mark.parametrize("fault", [Cut(), HalfOfResults()])
def test_half_an_answer_comes_after_the_whole_effect(double: KinesisDouble, fault: Fault) -> None:
    double.faults.script("PutRecords", fault)
    with pytest.raises(errors.KinesisUnavailable):
        client_of(double.url).put_records("events", [PutEntry(b"x", "k"), PutEntry(b"y", "k")])
    assert len(double.records()) == 2


def test_a_late_call_takes_effect_after_its_caller_has_asked_again(double: KinesisDouble) -> None:
    double.faults.script("PutRecords", Late(0.4))
    client = client_of(double.url, read_seconds=0.1)
    with pytest.raises(errors.KinesisUnavailable):
        client.put_records("events", [PutEntry(b"late", "k")])
    client.put_records("events", [PutEntry(b"again", "k")])
    deadline = time.monotonic() + 20
    while len(double.records()) < 2:
        assert time.monotonic() < deadline
    assert [record.data for record in double.records()] == [b"again", b"late"]


def test_a_share_of_the_failing_entries_is_throttled(double: KinesisDouble) -> None:
    double.faults.record_failure, double.faults.throttled_share = 1.0, 0.5
    results = client_of(double.url).put_records("events", [PutEntry(b"x", "k")] * 100)
    codes = {result.error_code for result in results}
    assert codes == {"InternalFailure", "ProvisionedThroughputExceededException"}


def test_it_can_lie_about_the_shard(double: KinesisDouble) -> None:
    double.faults.script("PutRecords", Misroute("shardId-000000000007"))
    (result,) = client_of(double.url).put_records("events", [PutEntry(b"x", "k", "0")])
    assert result.shard_id == "shardId-000000000007"
    assert len(double.records("events", FIRST)) == 1


def test_a_pause_holds_every_answer_back(double: KinesisDouble) -> None:
    answered = threading.Event()

    def ask() -> None:
        client_of(double.url, read_seconds=30).list_shards("events")
        answered.set()

    thread = threading.Thread(target=ask)
    with double.paused():
        thread.start()
        assert not answered.wait(0.1)
    thread.join(10)
    assert answered.is_set()


def test_it_comes_back_on_its_port_with_its_records(double: KinesisDouble) -> None:
    double.put("events", b"x", hash_key="0")
    port, client = double.port, client_of(double.url)
    double.down()
    with pytest.raises(errors.KinesisUnavailable):
        read(client)
    double.up()
    assert double.port == port
    assert read(client) == [b"x"]


def test_everything_can_be_delivered_again_in_any_order(double: KinesisDouble) -> None:
    for n in range(4):
        double.put("events", b"%d" % n, key=f"{n}")
    double.put_again("events", double.records()[::-1])
    assert [record.data for record in double.records()] == [b"0", b"1", b"2", b"3", b"3", b"2", b"1", b"0"]
    first, again = double.records()[0], double.records()[-1]
    assert first.partition_key == again.partition_key
    assert again.sequence > first.sequence


def test_it_runs_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tests.doubles.kinesis", "--stream", "events", "--shards", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            keys: dict[str, Any] = {"aws_access_key_id": "AKID", "aws_secret_access_key": "secret"}
            aws = boto3.client("kinesis", endpoint_url=url, region_name="eu-west-1", **keys)
            assert len(aws.list_shards(StreamName="events")["Shards"]) == 3
            aws.close()
        finally:
            process.terminate()
        assert process.wait(10) == 0


def test_a_stream_takes_larger_records_once_it_is_told_to_and_they_use_its_rate_up(
    clock: ManualClock,
) -> None:
    with KinesisDouble(clock) as kinesis:
        kinesis.create_stream("events", shards=1)
        kinesis.api.throttle_writes = True
        theirs = boto3.client(
            "kinesis",
            endpoint_url=kinesis.url,
            region_name="eu-west-1",
            aws_access_key_id="AKID",
            aws_secret_access_key="secret",
        )
        client = client_of(kinesis.url)
        summary = client.describe_stream_summary("events")
        assert summary.max_record_bytes == 1 << 20
        theirs.update_max_record_size(StreamARN=summary.stream_arn, MaxRecordSizeInKiB=10_240)
        assert client.describe_stream_summary("events").max_record_bytes == 10 << 20
        large = PutEntry(bytes((10 << 20) - 1), "k")
        assert client.put_records("events", [large])[0].error_code is None
        clock.advance(9)
        assert written(client, 1) == 0
        clock.advance(1)
        assert written(client, 1) == 1
        with pytest.raises(errors.KinesisRefused, match="10 MB"):
            client.put_records("events", [large, PutEntry(b"xx", "k")])
        client.close()
