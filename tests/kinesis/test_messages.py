"""What is read out of answers."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headrace.kinesis.messages import PutEntry, Record, StreamSummary

MILLISECONDS = st.integers(0, 7_258_118_400_000)  # 1970 to 2200


@given(MILLISECONDS)
def test_an_arrival_time_is_read_to_the_millisecond(milliseconds: int) -> None:
    sent = msgspec.json.encode(
        {
            "Data": "eA==",
            "PartitionKey": "k",
            "SequenceNumber": "1",
            "ApproximateArrivalTimestamp": milliseconds / 1000,
            "EncryptionType": "NONE",
        }
    )
    assert msgspec.json.decode(sent, type=Record).arrival_ms == milliseconds


@given(MILLISECONDS)
def test_a_creation_time_is_the_same_each_time_it_is_told(milliseconds: int) -> None:
    def told(seconds: float) -> StreamSummary:
        return StreamSummary(
            stream_name="events",
            stream_arn="arn",
            stream_status="ACTIVE",
            stream_creation_timestamp=seconds,
            retention_period_hours=24,
            open_shard_count=1,
        )

    seconds = milliseconds / 1000
    assert told(seconds).created_at == told(seconds + 1e-5).created_at


def test_an_entry_is_sent_without_the_hash_key_that_it_has_not() -> None:
    assert msgspec.json.encode(PutEntry(b"x", "k")) == b'{"Data":"eA==","PartitionKey":"k"}'
    with_hash_key = b'{"Data":"eA==","PartitionKey":"k","ExplicitHashKey":"0"}'
    assert msgspec.json.encode(PutEntry(b"x", "k", "0")) == with_hash_key


def test_the_bytes_of_a_key_count_against_the_limits() -> None:
    assert PutEntry(b"xyz", "ké").size == 6
