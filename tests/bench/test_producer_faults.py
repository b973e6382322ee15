"""The bench of failing entries: its judge counts right, and the producer passes it."""

from bench.producer_faults import judge, lines, measure
from headrace.kinesis.aggregation import UserRecord, aggregate
from tests.doubles.kinesis import KinesisDouble


def test_a_producer_loses_repeats_and_reorders_nothing() -> None:
    figures = measure("headrace", 0.1, 0.1, 2_000)
    assert (figures["ended"], figures["lost"], figures["counted"], figures["inversions"]) == (1, 0, 0, 0)


def test_what_is_lost_repeated_or_reordered_is_counted() -> None:
    one, two, three, _ = list(lines(4))
    user = b'"user_id":"%b"' % one.split(b'"user_id":"')[1][:36]
    two, three = (
        user.join((line[: line.index(b'"user_id"')], line[line.index(b',"username"') :]))
        for line in (two, three)
    )
    with KinesisDouble() as kinesis:
        kinesis.create_stream("events", shards=2)
        for line in (one, three, three, two):
            kinesis.put("events", line)
        wrong = [UserRecord(key, None, b"never delivered") for key in ("a", "b")]
        kinesis.put("events", aggregate(wrong), "a", "0")
        assert judge(kinesis, 4) == {"lost": 1, "copies": 1, "counted": 1, "inversions": 1}


def test_a_copy_under_the_same_source_and_number_does_not_count_and_one_under_another_does() -> None:
    (line,) = lines(1)
    with KinesisDouble() as kinesis:
        kinesis.create_stream("events", shards=1)
        for number in (b"1", b"1", b"2"):
            kinesis.put("events", line.replace(b'"data"', b'"source":"a","sequence":"%b","data"' % number))
        assert judge(kinesis, 1) == {"lost": 0, "copies": 2, "counted": 1, "inversions": 0}
