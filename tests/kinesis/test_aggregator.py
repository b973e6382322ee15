"""Aggregates, and that every record in them survives KCL's hash-range rule, across resharding too."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kinesis.aggregation import UserRecord
from headrace.kinesis.aggregator import Aggregate, Aggregator, Fate
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.messages import PutEntry, shard_map
from headrace.kinesis.shard_map import MAX_HASH_KEY, Shard, ShardMap, hash_key
from tests.doubles.kcl import delivered
from tests.doubles.kinesis import KinesisDouble

QUARTER = (MAX_HASH_KEY + 1) // 4
FOUR = ShardMap(Shard(f"shardId-{n:012d}", n * QUARTER, (n + 1) * QUARTER - 1) for n in range(4))
KEYED = [UserRecord(f"user {n % 97}", None, b"record %d" % n) for n in range(2000)]


def small(shards: ShardMap | None = FOUR, **bounds: int) -> Aggregator[int]:
    return Aggregator(shards, **({"target_bytes": 2_000} | bounds))


def gather(aggregator: Aggregator[int], records: Iterable[UserRecord]) -> list[Aggregate[int]]:
    full = [one for at, record in enumerate(records) for one in add(aggregator, record, at)]
    return full + aggregator.flush()


def add(aggregator: Aggregator[int], record: UserRecord, at: int) -> list[Aggregate[int]]:
    return aggregator.add([record.data], [record.partition_key], [at])


def gather_unkeyed(aggregator: Aggregator[int], count: int) -> list[Aggregate[int]]:
    records = [b"record %d" % at for at in range(count)]
    return aggregator.add(records, [None] * count, range(count)) + aggregator.flush()


def send(client: KinesisClient, aggregator: Aggregator[int], aggregates: list[Aggregate[int]]) -> int:
    """As a producer does: put, judge by the returned shard, fetch the map, send again; returns sendings."""
    sent, waiting = 0, list(aggregates)
    while waiting:
        batch, waiting = waiting[:500], waiting[500:]
        results = client.put_records("events", [one.entry for one in batch])
        sent += len(batch)
        for one, result in zip(batch, results, strict=True):
            assert result.shard_id is not None
            fate = one.fate_in(result.shard_id, aggregator.shard_map)
            if fate is Fate.UNKNOWN:
                waiting += aggregator.take_map(shard_map(client.list_shards("events")))
                fate = one.fate_in(result.shard_id, aggregator.shard_map)
            if fate is not Fate.DELIVERED:
                waiting += aggregator.again(one)
    return sent


def by_kcl(kinesis: KinesisDouble) -> Counter[bytes]:
    shards = kinesis.stream("events").shards.values()
    return Counter(data for shard in shards for data in delivered(shard))


def test_every_keyed_record_on_four_shards_survives(kinesis: KinesisDouble, client: KinesisClient) -> None:
    aggregator = small(shard_map(client.list_shards("events")))
    aggregates = gather(aggregator, KEYED)
    assert len(aggregates) < 60
    assert send(client, aggregator, aggregates) == len(aggregates)
    assert by_kcl(kinesis) == Counter(record.data for record in KEYED)


def test_every_unkeyed_record_on_four_shards_survives(kinesis: KinesisDouble, client: KinesisClient) -> None:
    aggregator = small(shard_map(client.list_shards("events")))
    send(client, aggregator, gather_unkeyed(aggregator, 2000))
    assert by_kcl(kinesis) == Counter(b"record %d" % n for n in range(2000))
    held = [len(shard.records) for shard in kinesis.stream("events").shards.values()]
    assert max(held) - min(held) <= 1, "shards take their turns"


def test_without_regard_to_shards_the_rule_does_lose_records(
    kinesis: KinesisDouble, client: KinesisClient
) -> None:
    """The test of the test: one shard's map on a stream of four."""
    aggregator = small(ShardMap([Shard("shardId-000000000000", 0, MAX_HASH_KEY)]))
    client.put_records("events", [one.entry for one in gather(aggregator, KEYED)])
    assert by_kcl(kinesis).total() < len(KEYED) // 10


def test_keyed_records_gathered_before_a_split_and_a_merge_survive(
    kinesis: KinesisDouble, client: KinesisClient
) -> None:
    aggregator = small(shard_map(client.list_shards("events")))
    aggregates = gather(aggregator, KEYED)
    kinesis.split("shardId-000000000001")
    kinesis.merge("shardId-000000000002", "shardId-000000000003")
    assert send(client, aggregator, aggregates) > len(aggregates)
    assert set(by_kcl(kinesis)) == {record.data for record in KEYED}


def test_keyed_records_survive_splits_and_merges_all_along(
    kinesis: KinesisDouble, client: KinesisClient
) -> None:
    aggregator = small(shard_map(client.list_shards("events")))
    for at, record in enumerate(KEYED):
        send(client, aggregator, add(aggregator, record, at))
        if at % 250 == 100:
            kinesis.split(max(kinesis.stream().open, key=lambda shard: shard.last - shard.first).shard_id)
        if at % 600 == 500:
            low, high = sorted(kinesis.stream().open, key=lambda shard: shard.first)[:2]
            kinesis.merge(low.shard_id, high.shard_id)
    send(client, aggregator, aggregator.flush())
    assert set(by_kcl(kinesis)) == {record.data for record in KEYED}


def test_a_run_of_unkeyed_records_survives_a_split_where_it_lands(
    kinesis: KinesisDouble, client: KinesisClient
) -> None:
    aggregates = gather_unkeyed(small(shard_map(client.list_shards("events"))), 2000)
    for n in range(4):
        kinesis.split(f"shardId-{n:012d}")
    client.put_records("events", [one.entry for one in aggregates])
    assert by_kcl(kinesis) == Counter(b"record %d" % n for n in range(2000)), "and none was sent twice"


def test_an_aggregate_that_landed_elsewhere_is_judged_by_all_that_it_holds() -> None:
    low, high = "shardId-000000000000", "shardId-000000000003"
    inside = [key for key in map(str, range(99)) if FOUR.shard_of_key(key).shard_id == low]
    (whole,) = gather(small(), [UserRecord(key, None, b"x") for key in inside])
    assert (whole.shard_id, len(whole.refs)) == (low, len(inside))
    assert whole.fate_in(low, FOUR) is Fate.DELIVERED
    assert whole.fate_in(high, FOUR) is Fate.DISCARDED
    assert whole.fate_in("shardId-000000000009", FOUR) is Fate.UNKNOWN
    assert whole.fate_in(low, None) is Fate.UNKNOWN
    hashes = sorted(map(hash_key, inside))
    assert whole.fate_in("left", divided(hashes[-1] + 1)) is Fate.DELIVERED, "a child that takes all of it"
    assert whole.fate_in("left", divided(hashes[-1])) is Fate.DISCARDED, "one record outside is enough"
    assert whole.fate_in("right", divided(hashes[0])) is Fate.DELIVERED
    assert whole.fate_in("right", divided(hashes[0] + 1)) is Fate.DISCARDED
    (alone,) = gather(small(), [UserRecord(inside[0], None, b"x")])
    assert alone.fate_in(high, FOUR) is Fate.DELIVERED


def divided(at: int) -> ShardMap:
    return ShardMap([Shard("left", 0, at - 1), Shard("right", at, MAX_HASH_KEY)])


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=2), st.integers(0, 900)), max_size=60))
def test_nothing_is_lost_doubled_or_reordered_within_a_key(shapes: list[tuple[str, int]]) -> None:
    records = [UserRecord(key, None, b"%d" % at + b"x" * length) for at, (key, length) in enumerate(shapes)]
    aggregates = gather(small(), records)
    out = [record for one in aggregates for record in one.records()]
    for key in {record.partition_key for record in records}:
        assert [r for r in out if r.partition_key == key] == [r for r in records if r.partition_key == key]
    assert [records[at] for one in aggregates for at in one.refs] == out


@given(st.lists(st.integers(0, 900), max_size=60))
def test_unkeyed_records_leave_in_runs_of_consecutive_refs(lengths: list[int]) -> None:
    aggregator = small()
    records = [b"x" * length for length in lengths]
    aggregates = aggregator.add(records, [None] * len(records), range(len(records))) + aggregator.flush()
    assert [ref for one in aggregates for ref in one.refs] == list(range(len(lengths)))
    assert [len(r.data) for one in aggregates for r in one.records()] == lengths


def test_the_outer_record_carries_the_hash_of_the_first_one() -> None:
    (one,) = gather(small(ShardMap([Shard("s", 0, MAX_HASH_KEY)])), KEYED[:3])
    assert one.entry.explicit_hash_key == str(hash_key("user 0"))
    assert one.shard_id == "s"


def test_a_record_alone_goes_as_it_is() -> None:
    (keyed,) = gather(small(), [UserRecord("user", None, b"x")])
    assert keyed.entry == PutEntry(b"x", "user")
    (unkeyed,) = gather_unkeyed(small(), 1)
    assert unkeyed.entry.data == b"record 0"


def test_explicit_hash_keys_are_on_all_records_of_an_aggregate_or_on_none() -> None:
    aggregator = small()
    keys = ["user" if n % 2 else None for n in range(20)]
    for one in aggregator.add([b"%d" % n for n in range(20)], keys, range(20)) + aggregator.flush():
        assert len(one.refs) == 10
        assert len({record.explicit_hash_key is None for record in one.records()}) == 1


def test_a_run_of_unkeyed_records_goes_again_as_it_was_to_the_shard_that_takes_it_now() -> None:
    aggregator = small()
    run = gather_unkeyed(aggregator, 10)[0]
    aggregator.take_map(ShardMap([Shard("merged", 0, MAX_HASH_KEY)]))
    (again,) = aggregator.again(run)
    assert (again.shard_id, again.refs, again.entry) == ("merged", run.refs, run.entry)


def test_more_keys_than_are_remembered_go_to_their_shards_all_the_same() -> None:
    count = 3 << 14
    records = [UserRecord(f"user {n}", None, b"") for n in range(count)]
    aggregates = gather(Aggregator(FOUR), [*records, *records[:10]])
    assert sum(len(one.refs) for one in aggregates) == count + 10
    for one in aggregates:
        assert {FOUR.shard_of_key(record.partition_key).shard_id for record in one.records()} == {
            one.shard_id
        }


def test_aggregates_keep_to_both_bounds() -> None:
    for one in gather_unkeyed(small(target_records=10), 95):
        assert len(one.refs) <= 10
    for one in gather(small(target_bytes=2_000), KEYED):
        assert len(one.entry.data) <= 2_100


def test_a_record_over_the_target_neither_waits_nor_overtakes() -> None:
    aggregator = small()
    assert add(aggregator, UserRecord("user", None, b"small"), 0) == []
    before, large = add(aggregator, UserRecord("user", None, b"x" * 5_000), 1)
    assert (before.refs, large.refs) == ((0,), (1,))
    assert aggregator.flush() == []


def test_without_a_map_keyed_records_go_one_by_one_and_unkeyed_ones_together() -> None:
    aggregates = gather(small(None), KEYED[:5])
    assert [one.refs for one in aggregates] == [(0,), (1,), (2,), (3,), (4,)]
    runs = gather_unkeyed(small(None), 1000)
    assert len(runs) < 20
    landed = Counter(FOUR.shard_of(one.lowest).shard_id for one in runs)
    assert len(landed) == 4, "spread all the same"


@pytest.mark.parametrize("key", ["user", None])
def test_of_records_with_one_that_kinesis_cannot_hold_none_is_taken(key: str | None) -> None:
    aggregator = small()
    with pytest.raises(ValueError, match="does not fit"):
        aggregator.add([b"x", b"x" * (10 << 20)], [key, key], [0, 1])
    assert aggregator.flush() == []
