"""The KPL aggregated-record format, both ways: many user records in one Kinesis record.

    F3 89 9A C2 | protobuf AggregatedRecord | MD5 of the protobuf bytes (16)

    AggregatedRecord: 1 partition_key_table (repeated string), 2 explicit_hash_key_table (repeated string),
                      3 records (repeated Record)
    Record:           1 partition_key_index (required), 2 explicit_hash_key_index, 3 data (required), 4 tags

Source: https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md

Whatever is not an aggregate is one plain record, as for KCL: bad magic, too short, bad MD5, unparsable
protobuf. So are, here, an index outside its table (KCL stops in the middle, with only a log line) and an
aggregate of nothing: the bytes then reach the codec, which rejects them in sight of everybody.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import md5
from itertools import count as numbers
from typing import NamedTuple

MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_SIZE = 16
_VARINT_BITS = 70  # ten bytes of seven bits: the longest varint that protobuf allows

# Wire types and tags (field number << 3 | wire type) of the message above.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_KEY_TABLE, _HASH_TABLE, _RECORD = b"\x0a", b"\x12", b"\x1a"
_KEY_INDEX, _HASH_INDEX, _DATA = b"\x08", b"\x10", b"\x1a"
_TAG_KEY_TABLE, _TAG_HASH_TABLE, _TAG_RECORD = 0x0A, 0x12, 0x1A
_TAG_KEY_INDEX, _TAG_HASH_INDEX, _TAG_DATA = 0x08, 0x10, 0x1A

# The head of a record as every known producer writes it. One match and a look-up replace five parsing steps;
# what does not fit goes the general way (`_field`), with the same result.
_USUAL_HEAD = re.compile(
    rb"\x1a([\x80-\xff]{0,4}[\x00-\x7f])\x08([\x80-\xff]{0,4}[\x00-\x7f])"
    rb"(?:\x10([\x80-\xff]{0,4}[\x00-\x7f]))?\x1a([\x80-\xff]{0,4}[\x00-\x7f])"
)

_CACHED_HEADS = 1 << 14  # a producer's heads differ in length and index only and come back for ever


class UserRecord(NamedTuple):
    """One record as its producer meant it; `explicit_hash_key` is decimal text, 0 … 2^128-1."""

    partition_key: str
    explicit_hash_key: str | None
    data: bytes


def aggregate(records: Iterable[UserRecord]) -> bytes:
    """The records as one Kinesis record's data, in their order, byte for byte as the KPL writes it.

    Give an explicit hash key to all of them or to none: the AWS de-aggregator for Python reports the first
    one of the table for a record that has none.
    """
    keys: dict[str, int] = {}
    hashes: dict[str, int] = {}
    indices: list[bytes] = []
    data: list[bytes] = []
    for key, hash_key, content in records:
        index = _KEY_INDEX + _varint_bytes(keys.setdefault(key, len(keys)))
        if hash_key is not None:
            index += _HASH_INDEX + _varint_bytes(hashes.setdefault(hash_key, len(hashes)))
        indices.append(index)
        data.append(content)
    return _aggregate(keys, hashes, indices, data)


def aggregate_keyed(keys: Sequence[str], data: Sequence[bytes]) -> bytes:
    """As `aggregate`, of records without explicit hash keys, given in columns: at a third of the cost."""
    table = dict(zip(dict.fromkeys(keys), map(_key_index, numbers()), strict=False))
    return _aggregate(table, (), map(table.__getitem__, keys), data)


def aggregate_alike(key: str, hash_key: str, data: Sequence[bytes]) -> bytes:
    """As `aggregate`, of records that all have this key and this explicit hash key."""
    tables = [*_table(_KEY_TABLE, (key,)), *_table(_HASH_TABLE, (hash_key,))]
    pieces = [b""] * (2 * len(data))
    pieces[0::2] = map(_alike_head, map(len, data))
    pieces[1::2] = data
    return _framed([MAGIC, *tables, *pieces])


def deaggregate(data: bytes) -> list[UserRecord] | None:
    """The user records inside, at least one, or None: `data` is one plain record."""
    if not data.startswith(MAGIC) or len(data) <= len(MAGIC) + _DIGEST_SIZE:
        return None
    message = data[len(MAGIC) : -_DIGEST_SIZE]
    if md5(message, usedforsecurity=False).digest() != data[-_DIGEST_SIZE:]:
        return None
    try:
        return _records(message) or None
    except (ValueError, IndexError):
        return None


def count(data: bytes) -> int:
    """How many records `deaggregate` would find, 1 for a plain one; cheap, for planning.

    Neither the checksum nor the inside of a record is looked at, so for damaged bytes it is an upper bound.
    """
    if not data.startswith(MAGIC) or len(data) <= len(MAGIC) + _DIGEST_SIZE:
        return 1
    at, end, found = len(MAGIC), len(data) - _DIGEST_SIZE, 0
    try:
        while at < end:
            tag, at = _varint(data, at)
            found += tag == _TAG_RECORD
            at = _skip(data, at, tag)
    except (ValueError, IndexError):
        return 1
    return max(found, 1)


def _aggregate(
    keys: Iterable[str], hashes: Iterable[str], indices: Iterable[bytes], data: Iterable[bytes]
) -> bytes:
    """`indices` are the encoded index fields of each record."""
    pieces = [MAGIC, *_table(_KEY_TABLE, keys), *_table(_HASH_TABLE, hashes)]
    for index, content in zip(indices, data, strict=True):
        opening, length = _around_index(len(index), len(content))
        pieces += (opening, index, length, content)
    return _framed(pieces)


def _framed(pieces: Iterable[bytes]) -> bytes:
    """`pieces` begin with the magic, which the digest leaves out."""
    framed = b"".join(pieces)
    return framed + md5(memoryview(framed)[len(MAGIC) :], usedforsecurity=False).digest()


def _table(tag: bytes, texts: Iterable[str]) -> list[bytes]:
    encoded = list(map(str.encode, texts))
    pieces = [tag] * (3 * len(encoded))
    pieces[1::3] = map(_varint_bytes, map(len, encoded))
    pieces[2::3] = encoded
    return pieces


@lru_cache(maxsize=_CACHED_HEADS)
def _around_index(index_length: int, length: int) -> tuple[bytes, bytes]:
    """What stands in a Record before its index fields (its own tag and length), and before its data."""
    before_data = _DATA + _varint_bytes(length)
    return _RECORD + _varint_bytes(index_length + len(before_data) + length), before_data


@lru_cache(maxsize=_CACHED_HEADS)
def _alike_head(length: int) -> bytes:
    """What precedes the data in a Record with the first key and the first explicit hash key."""
    index = _KEY_INDEX + b"\0" + _HASH_INDEX + b"\0"
    opening, before_data = _around_index(len(index), length)
    return opening + index + before_data


@lru_cache(maxsize=_CACHED_HEADS)
def _key_index(key_at: int) -> bytes:
    return _KEY_INDEX + _varint_bytes(key_at)


@lru_cache(maxsize=_CACHED_HEADS)
def _varint_bytes(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004  seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _records(message: bytes) -> list[UserRecord]:
    """Parse an AggregatedRecord. Raises ValueError or IndexError when it is none."""
    keys: list[str] = []
    hashes: list[str] = []
    parsed: list[tuple[int, int, bytes]] = []
    at, end = 0, len(message)
    while at < end:
        usual = _USUAL_HEAD.match(message, at)
        if usual is not None:
            head = usual[0]
            shape = _shape(head)
            start = at + len(head)
            if shape is not None and start + shape[2] <= end:
                at = start + shape[2]
                parsed.append((shape[0], shape[1], message[start:at]))
                continue
        at = _field(message, at, keys, hashes, parsed)
    return [
        UserRecord(keys[key_at], hashes[hash_at] if hash_at >= 0 else None, data)
        for key_at, hash_at, data in parsed
    ]


@lru_cache(maxsize=_CACHED_HEADS)
def _shape(head: bytes) -> tuple[int, int, int] | None:
    """Key index, hash index (-1: none) and data length of a record head, None if its lengths contradict."""
    usual = _USUAL_HEAD.match(head)
    if usual is None:
        return None
    outer, key_at, hash_at, length = (_varint(part, 0)[0] if part else -1 for part in usual.groups())
    inner = len(head) - len(_RECORD) - len(usual[1]) + length
    return (key_at, hash_at, length) if inner == outer else None


def _field(
    message: bytes, at: int, keys: list[str], hashes: list[str], parsed: list[tuple[int, int, bytes]]
) -> int:
    """Read any field of an AggregatedRecord into the lists; returns where the next one starts."""
    tag, at = _varint(message, at)
    if tag not in (_TAG_RECORD, _TAG_KEY_TABLE, _TAG_HASH_TABLE):
        return _skip(message, at, tag)
    start, at = _span(message, at, len(message))
    if tag == _TAG_RECORD:
        parsed.append(_record(message, start, at))
    else:
        (keys if tag == _TAG_KEY_TABLE else hashes).append(message[start:at].decode(errors="replace"))
    return at


def _record(message: bytes, at: int, end: int) -> tuple[int, int, bytes]:
    """One Record in message[at:end]: its two indices (-1: no explicit hash key) and its data."""
    key_at, hash_at = -1, -1
    data: bytes | None = None
    while at < end:
        tag, at = _varint(message, at)
        if tag == _TAG_DATA:
            start, at = _span(message, at, end)
            data = message[start:at]
        elif tag == _TAG_KEY_INDEX:
            key_at, at = _varint(message, at)
        elif tag == _TAG_HASH_INDEX:
            hash_at, at = _varint(message, at)
        else:
            at = _skip(message, at, tag)
    if at != end or key_at < 0 or data is None:
        raise ValueError("a record that overruns its length or lacks a required field")
    return key_at, hash_at, data


def _span(message: bytes, at: int, end: int) -> tuple[int, int]:
    """Where a length-prefixed field's content starts and ends."""
    length, start = _varint(message, at)
    if start + length > end:
        raise ValueError("a field longer than what holds it")
    return start, start + length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where the next field starts."""
    byte = message[at]
    at += 1
    if byte < 0x80:  # noqa: PLR2004  the top bit says that more bytes follow
        return byte, at
    number = byte & 0x7F
    for shift in range(7, _VARINT_BITS, 7):
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  as above
            return number & 0xFFFF_FFFF_FFFF_FFFF, at
    raise ValueError("a varint of more than ten bytes")


def _skip(message: bytes, at: int, tag: int) -> int:
    """Step over the content of a field; `tag` has been read already."""
    kind = tag & 7
    if tag >> 3 == 0 or kind not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
        raise ValueError("a field number or wire type that this format does not know")
    if kind == _VARINT:
        return _varint(message, at)[1]
    if kind == _BYTES:
        return _span(message, at, len(message))[1]
    at += 8 if kind == _FIXED64 else 4
    if at > len(message):
        raise ValueError("a field longer than what holds it")
    return at
