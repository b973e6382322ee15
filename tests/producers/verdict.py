"""The judge of the torture tests: what a KCL consumer and the ledger make of what the double holds.

Its rules, written from none of the producer's code:

- *Delivered* is what passes KCL's hash-range rule in the shard that it was put in (tests/doubles/kcl.py).
- A number of a source is *lost* when no copy of it was delivered. Each source's numbers are 1 to what its
  last status says that it spooled.
- Of several copies of a number the ledger counts one, so they must all have the same content. Which line of
  the input a record is, its content says (`Line`), and each line must come under exactly one number.
- The hash of a key lies, at any time, in one open shard. These shards, parents before children, are the
  key's way, and every record of the key must be on it. Along the way, and within a shard by sequence number,
  the *first* copies of the key's numbers must ascend; each that does not is an *inversion*.
- An aggregate that KCL *discards* was right by the shards that were there before: it would have passed in an
  ancestor of the shard that took it. (What it holds counts as delivered only by another copy.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import md5
from typing import NamedTuple

import msgspec

from tests.doubles.kcl import accepted
from tests.doubles.kinesis_stream import Shard, StoredRecord, Stream


class Line(NamedTuple):
    """What a record's content says: the line of the input, 1, 2, …, and the key of its order, if any."""

    number: int
    key: str | None


LineOf = Callable[[bytes], Line]
"""A record's `data`, as JSON, -> its line. Raises AssertionError when no line has that content."""


class _Told(msgspec.Struct):
    type: str
    source: str
    sequence: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _Status(msgspec.Struct):
    spooled: int
    acknowledged: int
    closed: bool


_told = msgspec.json.Decoder(_Told).decode


@dataclass
class Verdict:
    """What was found; `lines` gives each number's line, per source."""

    lines: dict[str, dict[int, int]] = field(default_factory=dict)
    spooled: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    kinesis_records: int = 0
    copies: int = 0
    conflicts: list[tuple[str, int]] = field(default_factory=list)
    inversions: list[tuple[str, int]] = field(default_factory=list)
    astray: list[tuple[str, int]] = field(default_factory=list)
    discarded: int = 0
    wrongly_made: list[int] = field(default_factory=list)
    """The sequence numbers of aggregates that no shard would have passed."""

    @property
    def lost(self) -> list[tuple[str, int]]:
        """Numbers that were given and never delivered."""
        return [
            (source, number)
            for source, spooled in self.spooled.items()
            for number in range(1, spooled + 1)
            if number not in self.lines.get(source, {})
        ]

    @property
    def line_counts(self) -> list[int]:
        """The lines of the input, as often as the ledger counts them, in order."""
        return sorted(line for numbers in self.lines.values() for line in numbers.values())

    def __str__(self) -> str:
        return (
            f"{self.kinesis_records} Kinesis records, numbers of each source "
            f"{[len(numbers) for numbers in self.lines.values()]}, "
            f"{self.copies} further copies, {self.discarded} aggregates discarded by KCL; "
            f"lost {len(self.lost)}, conflicts {len(self.conflicts)}, inversions {len(self.inversions)}, "
            f"astray {len(self.astray)}, wrongly made {len(self.wrongly_made)}"
        )


def judge(stream: Stream, line_of: LineOf) -> Verdict:
    """Read all shards, parents before children."""
    verdict = Verdict()
    order: dict[str, tuple[str, int]] = {}
    for shard in by_lineage(stream):
        for record in shard.records:
            verdict.kinesis_records += 1
            inside = accepted(shard, record)
            if not inside:
                _judge_discarded(stream, shard, record, verdict)
            for data in inside:
                _judge_record(_told(data), shard, line_of, order, verdict)
    return verdict


def by_lineage(stream: Stream) -> Iterator[Shard]:
    """Every shard after its parents."""
    done: set[str] = set()
    left = dict(stream.shards)
    while left:
        ready = [shard for shard in left.values() if done.issuperset(shard.parents)]
        assert ready, "a shard whose parents are unknown"
        for shard in ready:
            yield left.pop(shard.shard_id)
            done.add(shard.shard_id)


def _judge_discarded(stream: Stream, shard: Shard, record: StoredRecord, verdict: Verdict) -> None:
    verdict.discarded += 1
    if not any(accepted(ancestor, record) for ancestor in _ancestors(stream, shard)):
        verdict.wrongly_made.append(record.sequence)


def _ancestors(stream: Stream, shard: Shard) -> Iterator[Shard]:
    for name in shard.parents:
        yield stream.shards[name]
        yield from _ancestors(stream, stream.shards[name])


def _judge_record(
    told: _Told, shard: Shard, line_of: LineOf, order: dict[str, tuple[str, int]], verdict: Verdict
) -> None:
    if told.type == "producer_status.v1":
        _note_status(told, verdict)
        return
    line = line_of(bytes(told.data))
    number = int(told.sequence)
    place = (told.source, number)
    numbers = verdict.lines.setdefault(told.source, {})
    is_first = number not in numbers
    if not is_first:
        verdict.copies += 1
        if numbers[number] != line.number:
            verdict.conflicts.append(place)
    numbers.setdefault(number, line.number)
    if line.key is None:
        return
    if not shard.first <= hash_of(line.key) <= shard.last:
        verdict.astray.append(place)
    if is_first:
        if place < order.get(line.key, place):
            verdict.inversions.append(place)
        order[line.key] = max(place, order.get(line.key, place))


def _note_status(told: _Told, verdict: Verdict) -> None:
    status = msgspec.json.decode(told.data, type=_Status)
    verdict.spooled[told.source] = max(status.spooled, verdict.spooled.get(told.source, 0))
    if status.closed:
        verdict.closed.add(told.source)


@lru_cache(maxsize=1 << 16)
def hash_of(key: str) -> int:
    """Where Kinesis puts a key."""
    return int.from_bytes(md5(key.encode(), usedforsecurity=False).digest())
