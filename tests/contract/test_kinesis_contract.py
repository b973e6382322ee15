"""What we rely on in Kinesis, asked of our double, of ministack, and of AWS when allowed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import pairwise
from typing import Any

import pytest

from headrace import errors
from headrace.kinesis.messages import PutEntry, Record, ShardDescription, shard_map
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import SystemClock, new_ulid
from tests.contract.service import Service

pytestmark = pytest.mark.xdist_group("contract")  # one connection to each service for all of them

MAX_HASH_KEY = 2**128 - 1


def hash_range(shard: ShardDescription) -> tuple[int, int]:
    found = shard.hash_key_range
    return int(found.starting_hash_key), int(found.ending_hash_key)


def pages(client: Kinesis, stream: str, shard_id: str, start: Any = "TRIM_HORIZON", **at: Any) -> Any:
    """The answers of a shard up to its tip or its end."""
    iterator: str | None = client.get_shard_iterator(stream, shard_id, start, **at)
    while iterator is not None:
        try:
            answer = client.get_records(iterator).answer
        except errors.KinesisThrottled:
            SystemClock().sleep(0.25)
            continue
        yield answer
        iterator = answer.next_shard_iterator
        if answer.millis_behind_latest == 0 and not answer.records and iterator is not None:
            return


def read(client: Kinesis, stream: str, shard_id: str, start: Any = "TRIM_HORIZON", **at: Any) -> list[Record]:
    return [record for answer in pages(client, stream, shard_id, start, **at) for record in answer.records]


def shard_ids(client: Kinesis, stream: str) -> list[str]:
    return [shard.shard_id for shard in client.list_shards(stream)]


def put(client: Kinesis, stream: str, *payloads: bytes, key: str = "k", hash_key: int = 0) -> list[str]:
    results = client.put_records(stream, [PutEntry(data, key, str(hash_key)) for data in payloads])
    assert all(result.error_code is None for result in results)
    return [result.sequence_number or "" for result in results]


def test_four_shards_divide_the_hash_keys(service: Service, stream: str) -> None:
    shards = service.client.list_shards(stream)
    assert len(shard_map(shards).shards) == 4
    assert all(shard.is_open and shard.parents == () for shard in shards)


def test_a_record_goes_where_the_md5_of_its_key_says(service: Service, stream: str) -> None:
    ranges = {shard.shard_id: hash_range(shard) for shard in service.client.list_shards(stream)}
    keys = [f"kéy {n}" for n in range(40)]
    results = service.client.put_records(stream, [PutEntry(key.encode(), key) for key in keys])
    for key, result in zip(keys, results, strict=True):
        first, last = ranges[result.shard_id or ""]
        assert first <= int(md5(key.encode(), usedforsecurity=False).hexdigest(), 16) <= last


def test_an_explicit_hash_key_outranks_the_partition_key(service: Service, stream: str) -> None:
    for shard in service.client.list_shards(stream):
        for hash_key in hash_range(shard):
            entry = PutEntry(b"x", "the same", str(hash_key))
            assert service.client.put_records(stream, [entry])[0].shard_id == shard.shard_id


def test_a_shard_keeps_the_order_and_numbers_grow(service: Service, stream: str) -> None:
    numbers = put(service.client, stream, *(b"%d" % n for n in range(50)))
    numbers += put(service.client, stream, *(b"%d" % n for n in range(50, 60)))
    records = read(service.client, stream, shard_ids(service.client, stream)[0])
    assert [record.data for record in records] == [b"%d" % n for n in range(60)]
    assert [record.sequence_number for record in records] == numbers
    assert all(int(one) < int(next_one) for one, next_one in pairwise(numbers))


@pytest.mark.parametrize("data", [b"\0", bytes(range(256)), b"x" * 1_000_000])
def test_bytes_come_back_as_they_were(service: Service, stream: str, data: bytes) -> None:
    put(service.client, stream, data)
    (record,) = read(service.client, stream, shard_ids(service.client, stream)[0])
    assert (record.data, record.partition_key) == (data, "k")


def test_where_reading_may_start(service: Service, stream: str) -> None:
    numbers = put(service.client, stream, b"0", b"1", b"2")
    shard_id = shard_ids(service.client, stream)[0]

    def start(kind: Any, **at: Any) -> list[bytes]:
        return [record.data for record in read(service.client, stream, shard_id, kind, **at)]

    assert start("TRIM_HORIZON") == [b"0", b"1", b"2"]
    assert start("AT_SEQUENCE_NUMBER", sequence_number=numbers[1]) == [b"1", b"2"]
    assert start("AFTER_SEQUENCE_NUMBER", sequence_number=numbers[1]) == [b"2"]
    assert start("AFTER_SEQUENCE_NUMBER", sequence_number=numbers[2]) == []
    assert start("LATEST") == []


def test_reading_may_start_at_an_arrival_time(service: Service, stream: str) -> None:
    put(service.client, stream, b"before")
    SystemClock().sleep(0.05)
    put(service.client, stream, b"after")
    shard_id = shard_ids(service.client, stream)[0]
    before, after = read(service.client, stream, shard_id)
    assert before.arrival_ms < after.arrival_ms
    at = datetime.fromtimestamp(after.arrival_ms / 1000, UTC)
    assert read(service.client, stream, shard_id, "AT_TIMESTAMP", timestamp=at) == [after]


def test_a_place_at_the_tip_sees_what_comes_later(service: Service, stream: str) -> None:
    put(service.client, stream, b"before")
    iterator = service.client.get_shard_iterator(stream, shard_ids(service.client, stream)[0], "LATEST")
    put(service.client, stream, b"after")
    answer = service.client.get_records(iterator).answer
    assert [record.data for record in answer.records] == [b"after"]


def test_an_iterator_may_be_used_again(service: Service, stream: str) -> None:
    put(service.client, stream, b"x")
    iterator = service.client.get_shard_iterator(stream, shard_ids(service.client, stream)[0], "TRIM_HORIZON")
    assert (
        service.client.get_records(iterator).answer.records
        == service.client.get_records(iterator).answer.records
    )


def test_an_empty_open_shard_goes_on(service: Service, stream: str) -> None:
    iterator = service.client.get_shard_iterator(stream, shard_ids(service.client, stream)[1], "TRIM_HORIZON")
    answer, date = service.client.get_records(iterator)
    assert answer.records == []
    assert answer.next_shard_iterator is not None
    assert answer.millis_behind_latest == 0
    assert answer.child_shards == []
    assert abs(date - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_limit_cuts_an_answer_short(service: Service, stream: str) -> None:
    put(service.client, stream, b"0", b"1", b"2")
    iterator = service.client.get_shard_iterator(stream, shard_ids(service.client, stream)[0], "TRIM_HORIZON")
    answer = service.client.get_records(iterator, limit=2).answer
    assert [record.data for record in answer.records] == [b"0", b"1"]
    rest = service.client.get_records(answer.next_shard_iterator or "").answer
    assert [record.data for record in rest.records] == [b"2"]


def test_boto3_and_our_client_see_the_same(service: Service, stream: str) -> None:
    service.boto3.put_record(StreamName=stream, Data=b"by boto3", PartitionKey="k", ExplicitHashKey="0")
    put(service.client, stream, b"by us")
    first = shard_ids(service.client, stream)[0]
    ours = read(service.client, stream, first)
    place = {"StreamName": stream, "ShardId": first, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = service.boto3.get_shard_iterator(**place)["ShardIterator"]
    theirs = service.boto3.get_records(ShardIterator=iterator)["Records"]
    assert [record.data for record in ours] == [b"by boto3", b"by us"]
    for one, other in zip(ours, theirs, strict=True):
        assert (one.data, one.sequence_number) == (other["Data"], other["SequenceNumber"])
        arrival = other["ApproximateArrivalTimestamp"].timestamp()
        assert one.arrival_ms == pytest.approx(arrival * 1000, abs=1)


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([PutEntry(b"x", "k")] * 501, id="501 records"),
        pytest.param([PutEntry(b"x", "k" * 257)], id="a key of 257 characters"),
        pytest.param([PutEntry(b"x", "")], id="an empty key", marks=pytest.mark.needs("empty keys")),
        pytest.param([PutEntry(b"x" * ((1 << 20) + 1), "k")], id="a record above 1 MiB"),
        pytest.param([PutEntry(b"x" * 1_000_000, "k")] * 11, id="a request above 10 MiB"),
    ],
)
def test_what_is_over_a_limit_is_refused_whole(
    service: Service, stream: str, entries: list[PutEntry]
) -> None:
    with pytest.raises(errors.KinesisRefused):
        service.client.put_records(stream, entries)
    assert all(read(service.client, stream, shard_id) == [] for shard_id in shard_ids(service.client, stream))


@pytest.mark.needs("large requests")
def test_a_request_of_nine_megabytes_is_taken(service: Service, stream: str) -> None:
    entries = [PutEntry(b"x" * 500_000, "k", str(n * (MAX_HASH_KEY // 18))) for n in range(18)]
    assert len(service.client.put_records(stream, entries)) == 18


@pytest.mark.needs("large records")
def test_a_stream_takes_larger_records_once_it_is_told_to(service: Service, stream: str) -> None:
    before = service.client.describe_stream_summary(stream)
    assert before.max_record_bytes == 1 << 20
    service.boto3.update_max_record_size(StreamARN=before.stream_arn, MaxRecordSizeInKiB=10_240)
    assert service.client.wait_until_active(stream).max_record_bytes == 10 << 20
    data = b"x" * (5 << 20)
    put(service.client, stream, data)
    (record,) = read(service.client, stream, shard_ids(service.client, stream)[0])
    assert record.data == data


def test_500_records_are_taken(service: Service, stream: str) -> None:
    results = service.client.put_records(stream, [PutEntry(b"%d" % n, f"{n}") for n in range(500)])
    assert all(result.error_code is None for result in results)


def test_what_is_not_there_is_not_found(service: Service, stream: str) -> None:
    for ask in (
        lambda: service.client.describe_stream_summary("contract-nowhere"),
        lambda: service.client.list_shards("contract-nowhere"),
        lambda: service.client.put_records("contract-nowhere", [PutEntry(b"x", "k")]),
        lambda: service.client.delete_stream("contract-nowhere"),
        lambda: service.client.get_shard_iterator(stream, "shardId-000000000099", "LATEST"),
    ):
        with pytest.raises(errors.KinesisNotFound):
            ask()


@pytest.mark.needs("bad iterators")
def test_an_iterator_that_is_none_is_refused(service: Service) -> None:
    with pytest.raises(errors.KinesisRefused):
        service.client.get_records("no iterator")


def test_a_stream_tells_of_itself(service: Service, stream: str) -> None:
    summary = service.client.describe_stream_summary(stream)
    assert (summary.stream_name, summary.stream_status, summary.open_shard_count) == (stream, "ACTIVE", 4)
    assert summary.retention_period_hours == 24
    assert abs(summary.created_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert service.client.describe_stream_summary(stream).created_at == summary.created_at


def test_a_stream_is_made_once(service: Service, stream: str) -> None:
    assert service.client.create_stream(stream, shards=1) is False
    assert len(service.client.list_shards(stream)) == 4


@pytest.fixture
def remade(service: Service) -> Iterator[str]:
    name = f"contract-{new_ulid(SystemClock()).lower()}"
    service.client.create_stream(name, shards=1)
    yield name
    service.client.delete_stream(name)


def test_a_stream_made_anew_is_another_one(service: Service, remade: str) -> None:
    put(service.client, remade, b"x")
    before = service.client.describe_stream_summary(remade).created_at
    service.client.delete_stream(remade)
    with pytest.raises(errors.KinesisNotFound):
        service.client.list_shards(remade)
    SystemClock().sleep(1.0)  # creation times are told in seconds
    service.client.create_stream(remade, shards=1)
    assert service.client.describe_stream_summary(remade).created_at > before
    assert read(service.client, remade, shard_ids(service.client, remade)[0]) == []


@pytest.mark.needs("on-demand")
def test_an_on_demand_stream_starts_with_four_shards(service: Service) -> None:
    name = f"contract-{new_ulid(SystemClock()).lower()}"
    service.client.create_stream(name)
    try:
        assert len(service.client.list_shards(name)) == 4
    finally:
        service.client.delete_stream(name)


@pytest.mark.needs("resharding")
def test_a_split_shard_stays_readable_and_names_its_children(service: Service, stream: str) -> None:
    parent, middle = shard_ids(service.client, stream)[0], MAX_HASH_KEY // 8
    put(service.client, stream, b"before")
    place = {"StreamName": stream, "ShardToSplit": parent}
    service.boto3.split_shard(**place, NewStartingHashKey=str(middle))
    service.client.wait_until_active(stream)
    put(service.client, stream, b"low", hash_key=0)
    put(service.client, stream, b"high", hash_key=middle)

    answers = list(pages(service.client, stream, parent))
    assert [record.data for answer in answers for record in answer.records] == [b"before"]
    assert answers[-1].next_shard_iterator is None
    shards = {shard.shard_id: shard for shard in service.client.list_shards(stream)}
    assert not shards[parent].is_open
    children = [shard for shard in shards.values() if shard.parents == (parent,)]
    assert sorted(child.shard_id for child in children) == sorted(
        child.shard_id for child in answers[-1].child_shards
    )
    low, high = sorted(children, key=hash_range)
    assert hash_range(low)[1] + 1 == hash_range(high)[0] == middle
    assert [record.data for record in read(service.client, stream, low.shard_id)] == [b"low"]
    assert [record.data for record in read(service.client, stream, high.shard_id)] == [b"high"]
    assert len(shard_map(list(shards.values())).shards) == 5


@pytest.mark.needs("resharding")
def test_merged_shards_stay_readable_and_name_their_child(service: Service, stream: str) -> None:
    low, high = shard_ids(service.client, stream)[:2]
    put(service.client, stream, b"before")
    place = {"StreamName": stream, "ShardToMerge": low}
    service.boto3.merge_shards(**place, AdjacentShardToMerge=high)
    service.client.wait_until_active(stream)
    put(service.client, stream, b"after")

    answers = list(pages(service.client, stream, low))
    assert [record.data for answer in answers for record in answer.records] == [b"before"]
    (child,) = answers[-1].child_shards
    assert sorted(child.parent_shards) == [low, high]
    assert [record.data for record in read(service.client, stream, child.shard_id)] == [b"after"]


@pytest.mark.needs("resharding")
def test_a_place_after_the_last_record_of_a_closed_shard_is_its_end(service: Service, stream: str) -> None:
    shard_id = shard_ids(service.client, stream)[0]
    (number,) = put(service.client, stream, b"last")
    place = {"StreamName": stream, "ShardToSplit": shard_id}
    service.boto3.split_shard(**place, NewStartingHashKey=str(MAX_HASH_KEY // 8))
    service.client.wait_until_active(stream)
    answers = list(pages(service.client, stream, shard_id, "AFTER_SEQUENCE_NUMBER", sequence_number=number))
    assert [record for answer in answers for record in answer.records] == []
    assert len(answers[-1].child_shards) == 2


@pytest.mark.needs("throttling")
def test_more_than_a_shard_takes_fails_record_by_record(service: Service, stream: str) -> None:
    entries = [PutEntry(b"%d" % n, "k", "0") for n in range(500)]
    results = [result for _ in range(8) for result in service.client.put_records(stream, entries)]
    failed = [result for result in results if result.error_code is not None]
    assert {result.error_code for result in failed} == {"ProvisionedThroughputExceededException"}
    assert all(result.shard_id is None and result.sequence_number is None for result in failed)
    other = service.client.put_records(stream, [PutEntry(b"x", "k", str(MAX_HASH_KEY))])
    assert other[0].error_code is None, "the other shards are not throttled"
    kept = read(service.client, stream, shard_ids(service.client, stream)[0])
    assert len(kept) == len(results) - len(failed)


@pytest.mark.needs("throttling")
def test_more_reads_than_a_shard_allows_are_throttled(service: Service, stream: str) -> None:
    iterator = service.client.get_shard_iterator(stream, shard_ids(service.client, stream)[0], "TRIM_HORIZON")

    def twenty() -> None:
        for _ in range(20):
            service.client.get_records(iterator)

    with pytest.raises(errors.KinesisThrottled):
        twenty()
