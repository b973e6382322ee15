"""The aggregated-record codec against the AWS library for Python, in both directions, and against damage."""

import base64
import re
import subprocess
import sys
from hashlib import md5

import pytest
from aws_kinesis_agg.aggregator import AggRecord, messages_pb2
from aws_kinesis_agg.deaggregator import iter_deaggregate_records
from hypothesis import given
from hypothesis import strategies as st

from headrace.kinesis.aggregation import (
    MAGIC,
    UserRecord,
    aggregate,
    aggregate_alike,
    aggregate_keyed,
    count,
    deaggregate,
)

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256)
hash_keys = st.integers(0, 2**128 - 1).map(str)
payloads = st.binary(max_size=300)
keyed = st.lists(st.builds(UserRecord, keys, st.none(), payloads), min_size=1, max_size=40)
hashed = st.lists(st.builds(UserRecord, keys, hash_keys, payloads), min_size=1, max_size=40)
batches = keyed | hashed


def seal(message: bytes) -> bytes:
    return MAGIC + message + md5(message, usedforsecurity=False).digest()


def by_aws(data: bytes) -> list[UserRecord]:
    record = {"SequenceNumber": "1", "PartitionKey": "a", "ApproximateArrivalTimestamp": 0, "Data": data}
    found = [r["kinesis"] for r in iter_deaggregate_records([record], data_format="Boto3")]
    return [UserRecord(r["partitionKey"], r["explicitHashKey"], base64.b64decode(r["data"])) for r in found]


@given(batches)
def test_what_we_aggregate_comes_back(records: list[UserRecord]) -> None:
    assert deaggregate(aggregate(records)) == records


@given(batches)
def test_the_aws_library_reads_what_we_write(records: list[UserRecord]) -> None:
    assert by_aws(aggregate(records)) == records


@given(batches)
def test_our_bytes_are_the_bytes_of_the_aws_library(records: list[UserRecord]) -> None:
    theirs = AggRecord()
    for key, hash_key, data in records:
        assert theirs.add_user_record(key, data, hash_key)
    assert aggregate(records) == theirs.get_contents()[2]


@given(keyed)
def test_records_in_columns_give_the_same_bytes(records: list[UserRecord]) -> None:
    columns = aggregate_keyed([r.partition_key for r in records], [r.data for r in records])
    assert columns == aggregate(records)


@given(keys, hash_keys, st.lists(payloads, min_size=1, max_size=40))
def test_records_of_one_key_give_the_same_bytes(key: str, hash_key: str, data: list[bytes]) -> None:
    assert aggregate_alike(key, hash_key, data) == aggregate([UserRecord(key, hash_key, one) for one in data])


@given(st.lists(st.builds(UserRecord, keys, st.none() | hash_keys, payloads), min_size=1, max_size=40))
def test_we_read_what_protobuf_writes_even_with_hash_keys_on_some_only(records: list[UserRecord]) -> None:
    message = messages_pb2.AggregatedRecord()
    for at, (key, hash_key, data) in enumerate(records):
        message.partition_key_table.append(key)  # keys repeated in the table are legal
        record = message.records.add()
        record.partition_key_index, record.data = at, data
        if hash_key is not None:
            record.explicit_hash_key_index = len(message.explicit_hash_key_table)
            message.explicit_hash_key_table.append(hash_key)
    assert deaggregate(seal(message.SerializeToString())) == records


@given(batches)
def test_the_count_agrees_without_reading_the_records(records: list[UserRecord]) -> None:
    assert count(aggregate(records)) == len(records)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(MAGIC.__add__))
def test_bytes_without_magic_and_checksum_are_one_plain_record(data: bytes) -> None:
    assert deaggregate(data) is None


@given(batches, st.data())
def test_one_changed_byte_makes_a_plain_record(records: list[UserRecord], data: st.DataObject) -> None:
    whole = bytearray(aggregate(records))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    assert deaggregate(bytes(whole)) is None


@given(batches, st.data())
def test_a_changed_message_is_read_as_protobuf_reads_it_or_not_at_all(
    records: list[UserRecord], data: st.DataObject
) -> None:
    """Garbage under a right checksum: never an exception, never other records than protobuf would find."""
    message = bytearray(aggregate(records[:3])[len(MAGIC) : -16])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        message = message or bytearray(b"\0")
    ours = deaggregate(seal(bytes(message)))
    if ours is not None:
        theirs = messages_pb2.AggregatedRecord()
        theirs.ParseFromString(bytes(message))
        assert [record.data for record in ours] == [record.data for record in theirs.records]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "nothing inside"),
        (b"\x0a\x01k", "a table and no record"),
        (b"\x0a\x01k\x1a\x05\x08\x01\x1a\x01x", "a key index outside its table"),
        (b"\x1a\x05\x08\x00\x1a\x01x", "no key table at all"),
        (b"\x0a\x01k\x1a\x07\x08\x00\x10\x00\x1a\x01x", "a hash key index outside its table"),
        (b"\x0a\x01k\x1a\x03\x1a\x01x", "a record without key index"),
        (b"\x0a\x01k\x1a\x02\x08\x00", "a record without data"),
        (b"\x0a\x01k\x1a\x05\x08\x00\x1a\x09x", "data longer than its record"),
        (b"\x0a\x01k\x1a\x09\x08\x00\x1a\x01x", "a record longer than the message"),
        (b"\x0a\x01k\x1a\x09\x08\x00\x1a\x05x", "a record and its data longer than the message"),
        (b"\x0a\x01k\x1a\x05\x08\x00\x1a\x01x\x0b", "a wire type that proto2 gave up"),
        (b"\x0a\x01k\x1a\x05\x08\x00\x1a\x01x\x00", "field number zero"),
        (b"\x0a\x01k\x1a" + b"\xff" * 10 + b"\x01", "a varint of more than ten bytes"),
    ],
)
def test_an_aggregate_that_cannot_be_taken_apart_is_one_plain_record(message: bytes, why: str) -> None:
    assert deaggregate(seal(message)) is None, why
    assert count(seal(message)) >= 1


def test_tables_may_follow_the_records_and_unknown_fields_are_skipped() -> None:
    record = b"\x1a\x0d" + b"\x22\x02tg" + b"\x28\x07" + b"\x08\x00" + b"\x1a\x03abc"
    message = record + b"\x39" + b"\0" * 8 + b"\x45" + b"\0" * 4 + b"\x0a\x01k"
    assert deaggregate(seal(message)) == [UserRecord("k", None, b"abc")]


def test_a_key_that_is_no_utf_8_costs_the_key_and_not_the_record() -> None:
    message = b"\x0a\x02k\xff" + b"\x1a\x05\x08\x00\x1a\x01x"
    assert deaggregate(seal(message)) == [UserRecord("k�", None, b"x")]


def test_a_megabyte_record_and_ten_thousand_small_ones_come_back() -> None:
    large = [UserRecord("k", None, b"x" * (1 << 20))]
    many = [UserRecord(f"key {n}", str(n), b"%d" % n) for n in range(10_000)]
    assert deaggregate(aggregate(large)) == large
    assert deaggregate(aggregate(many)) == many
    assert count(aggregate(many)) == len(many)


def test_the_codec_and_the_shard_map_import_only_the_standard_library() -> None:
    program = (
        "import sys; import headrace.kinesis.aggregation, headrace.kinesis.shard_map;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    ours = {name for name in re.findall(r"\S+", loaded.stdout) if name not in sys.stdlib_module_names}
    assert ours <= {"headrace", "__main__", "sitecustomize"}, ours
