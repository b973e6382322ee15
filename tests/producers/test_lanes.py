from headrace.kinesis.aggregator import Aggregate
from headrace.kinesis.messages import PutEntry
from headrace.kinesis.shard_map import MAX_HASH_KEY, Shard, ShardMap
from producers.lanes import MAX_REQUEST_BYTES, USUAL_REQUEST_BYTES, Lanes, Parcel


def aggregate(number: int, shard_id: str = "s1", size: int = 100) -> Aggregate[int]:
    return Aggregate(PutEntry(bytes(size), "k"), (number,), shard_id, 0, 0)


def numbers(parcels: list[Parcel]) -> list[int]:
    return [parcel.aggregate.refs[0] for parcel in parcels]


def lanes_with(*aggregates: Aggregate[int], window: int = 8) -> Lanes:
    lanes = Lanes(lambda: 0.5, window=window)
    lanes.add(aggregates, 0.0)
    return lanes


def deliver(lanes: Lanes, parcels: list[Parcel]) -> None:
    for parcel in parcels:
        lanes.delivered(parcel)


def test_what_is_put_back_goes_first_and_in_its_order() -> None:
    lanes = lanes_with(*[aggregate(n) for n in range(1, 12)])
    parcels = lanes.request(0.0)
    assert numbers(parcels) == list(range(1, 9))
    deliver(lanes, parcels[:2] + parcels[5:])
    lanes.put_back(parcels[2:5])
    assert numbers(lanes.request(0.0)) == [3, 4, 5, 9, 10, 11]


def test_a_lane_in_back_off_waits_and_the_others_do_not() -> None:
    lanes = lanes_with(aggregate(1), aggregate(2, "s2"), window=1)
    parcels = lanes.request(0.0)
    (first,) = [parcel for parcel in parcels if parcel.aggregate.shard_id == "s1"]
    first.lane.back_off.failed(0.0)
    lanes.put_back(parcels)
    assert numbers(lanes.request(0.0)) == [2]
    assert 0 < lanes.next_try(0.0) <= 0.1
    assert numbers(lanes.request(1.0)) == [1]
    assert lanes.next_try(1.0) == 0
    assert lanes.bytes == 0


def test_a_request_stays_below_its_limits() -> None:
    lanes = lanes_with(*[aggregate(n, size=USUAL_REQUEST_BYTES // 3) for n in range(6)])
    assert len(lanes.request(0.0)) == 2
    many = lanes_with(*[aggregate(n, f"s{n}") for n in range(700)])
    assert len(many.request(0.0)) == 500


def test_with_a_new_map_only_what_belongs_to_a_vanished_shard_or_was_lost_is_sorted_anew() -> None:
    lanes = lanes_with(aggregate(1), aggregate(2, "gone"), aggregate(3, "s2"), aggregate(4, "s2"))
    parcels = lanes.request(0.0)
    lanes.put_back(parcels)
    (lost,) = [parcel for parcel in parcels if parcel.aggregate.refs == (3,)]
    anew: list[int] = []

    def again(old: Aggregate[int]) -> list[Aggregate[int]]:
        anew.append(old.refs[0])
        return [aggregate(old.refs[0] * 10, "s1")]

    middle = MAX_HASH_KEY // 2
    shards = ShardMap([Shard("s1", 0, middle), Shard("s2", middle + 1, MAX_HASH_KEY)])
    lanes.sort_anew(shards, again, [lost])
    assert sorted(anew) == [2, 3]
    assert sorted(numbers(lanes.request(0.0))) == [1, 4, 20, 30]
    assert lanes.bytes == 0


def test_what_is_under_way_of_a_shard_counts_against_its_window_until_it_is_settled() -> None:
    lanes = lanes_with(aggregate(1), aggregate(2), aggregate(3, "s2"), window=1)
    first = lanes.request(0.0)
    assert sorted(numbers(first)) == [1, 3]
    assert lanes.request(0.0) == []
    lanes.put_back([parcel for parcel in first if parcel.aggregate.shard_id == "s1"])
    again = lanes.request(0.0)
    assert numbers(again) == [1]
    assert again[0].tries == 2
    deliver(lanes, again)
    assert numbers(lanes.request(0.0)) == [2]


def test_a_request_takes_from_each_shard_in_turn() -> None:
    lanes = lanes_with(*[aggregate(n, f"s{n % 2}", size=100) for n in range(8)])
    parcels = lanes.request(0.0, size=450)
    assert sorted(numbers(parcels)) == [0, 1, 2, 3]


def test_what_is_larger_than_a_request_goes_alone() -> None:
    lanes = lanes_with(aggregate(1, size=10 << 20), aggregate(2), aggregate(3, "s2", size=10 << 20))
    assert sorted(len(lanes.request(0.0)) for _ in range(4)) == [0, 1, 1, 1]


def test_a_request_keeps_to_500_records_and_to_5_mebibytes_or_to_what_it_is_told() -> None:
    small = lanes_with(*[aggregate(n, f"s{n % 9}", size=10) for n in range(700)], window=100)
    assert [len(small.request(0.0)) for _ in range(2)] == [500, 200]
    large = lanes_with(*[aggregate(n, f"s{n % 9}", size=(1 << 20) - 1) for n in range(12)])
    assert [len(large.request(0.0)) for _ in range(3)] == [5, 5, 2]
    larger = lanes_with(*[aggregate(n, f"s{n % 20}", size=(1 << 20) - 1) for n in range(20)])
    assert [len(larger.request(0.0, size=MAX_REQUEST_BYTES)) for _ in range(2)] == [10, 10]
