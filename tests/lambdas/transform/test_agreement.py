"""Every record ends in exactly one place, with the verdict that the stream job gives on the same bytes."""

import base64
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.schemas.records.reject import MAX_RAW_BYTES
from headrace.warehouse.batch import Exclusions
from lambdas.transform.splitter import split
from stream_jobs.fold.partition import fold_partition
from stream_jobs.source.rows import ARROW_SCHEMA
from tests.lambdas.firehose import ARRIVAL, Errors, bad, good, lines, record
from tests.schemas.examples import bad_examples, good_examples

GOOD = [case.raw for case in good_examples()]
BAD = [case.raw for case in bad_examples()]


class Verdict(NamedTuple):
    """What the stream job makes of a record: its record type, or a reject's id and stage and code."""

    record_type: str | None
    reject: tuple[str, str, str] | None


@lru_cache(maxsize=2048)
def verdict_of(raw: bytes) -> Verdict:
    row = {
        "data": raw,
        "streamName": "events",
        "partitionKey": "k",
        "sequenceNumber": "1",
        "approximateArrivalTimestamp": ARRIVAL,
        "shardId": "shardId-000000000000",
        "subSequenceNumber": 0,
    }
    partial = fold_partition(pa.Table.from_pylist([row], ARROW_SCHEMA).to_batches(), 0, Exclusions())
    if partial.rejects is not None:
        (told,) = partial.rejects.to_pylist()
        return Verdict(None, (told["id"], told["stage"], told["code"]))
    if partial.types:
        return Verdict(next(iter(partial.types)), None)
    assert partial.statuses
    return Verdict("producer_status.v1", None)


@pytest.mark.parametrize("case", good_examples() + bad_examples(), ids=str)
def test_every_golden_example_gets_the_verdict_of_the_stream_job(case: Any) -> None:
    check([[case.raw]], [])


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(st.sampled_from(GOOD)))
    raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


VERSIONS = [good().replace(b"web_access.v1", other) for other in (b"web_access.v0", b"web_access.v2", b"new")]
LONG = [b"x" * (MAX_RAW_BYTES + more) for more in (0, 1)]
AGAIN = [good(1), good(2), bad(1)]
raws = st.one_of(
    st.sampled_from(GOOD),
    st.sampled_from(BAD),
    st.sampled_from(VERSIONS),
    st.sampled_from(LONG),
    st.sampled_from(AGAIN),
    st.binary(max_size=60),
    bent(),
)
batches = st.lists(
    st.one_of(raws.map(lambda raw: [raw]), st.lists(raws, min_size=2, max_size=4)), max_size=12
)


@settings(max_examples=300)
@given(batches, st.lists(st.booleans(), max_size=30))
def test_delivered_and_put_and_failed_are_together_all_that_came(
    batch: list[list[bytes]], takes: list[bool]
) -> None:
    check(batch, takes)


def check(batch: Sequence[Sequence[bytes]], takes: Sequence[bool]) -> None:
    """Send each group of the batch as one record of Firehose's, an aggregate if it holds several."""
    records = [
        record(group[0] if len(group) == 1 else aggregate(UserRecord("k", None, raw) for raw in group))
        for group in batch
    ]
    errors = Errors(takes)
    answers, tally = split(records, errors.put)
    assert [answer["recordId"] for answer in answers] == [one["recordId"] for one in records]
    expected: Counter[str] = Counter()
    taken = iter(takes)
    for group, answer in zip(batch, answers, strict=True):
        expected += check_group(group, answer, taken)
    put = Counter(parcel.key for parcel in errors.kept + errors.refused)
    assert put == expected
    failed = [len(g) for g, a in zip(batch, answers, strict=True) if a["result"] == "ProcessingFailed"]
    settled = tally.delivered + tally.rejected.total() + tally.forwarded
    assert settled + sum(failed) == sum(map(len, batch))
    assert len(tally.failures) == len(failed)


def check_group(group: Sequence[bytes], answer: dict[str, Any], taken: Any) -> Counter[str]:
    """Hold one answer against the stream job's verdicts; returns the rejects that were to be put."""
    verdicts = [verdict_of(raw) for raw in group]
    types = {verdict.record_type for verdict in verdicts if verdict.record_type}
    rejects = [verdict.reject for verdict in verdicts if verdict.reject]
    if len(types) > 1:
        assert answer["result"] == "ProcessingFailed"
        return Counter()
    of_own = [next(taken, True) for _ in rejects]
    is_long = any(
        verdict.reject and verdict.reject[1] == "stream_job" and len(raw) > MAX_RAW_BYTES
        for raw, verdict in zip(group, verdicts, strict=True)
    )
    if is_long or not all(of_own):
        assert answer["result"] == "ProcessingFailed"
    elif types:
        assert answer["metadata"]["partitionKeys"]["type"] == types.pop()
        assert len(lines(answer)) == len(group) - len(rejects)
    else:
        assert answer["result"] == "Dropped"
    assert "data" not in answer or base64.b64decode(answer["data"], validate=True)
    return Counter(reject[0] for reject in rejects)
