"""Records for the fold's tests, good and bad, few enough numbers that copies are common."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from headrace.schemas.codec import Rejection, Stage, decode, encode, reject_event
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.records.user_signup import UserSignup
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.records.wiki_edit import WikiEdit, length_delta
from tests.stream_jobs.fold.model import Arrived

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
sources = st.sampled_from(["web-1/A", "web-2/B", "ünïcode/C"])
numbers = st.integers(1, 8) | st.sampled_from([2**53 - 1, 10**12])
extremes = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, 59, 999999, UTC)]
times = st.sampled_from(extremes) | st.integers(0, 2400).map(
    lambda seconds: NOON + timedelta(seconds=seconds)
)
addresses = st.none() | st.sampled_from(["203.0.113.9", "::1", "host.example"]) | st.text("ab", min_size=1)
accesses = st.builds(
    WebAccess,
    client_address=addresses,
    method=st.sampled_from(["GET", "POST", None]),
    path=st.none() | st.sampled_from(["/", "/a", "/ä", "/" + "x" * 8000]),
    status=st.none() | st.integers(0, 999),
    bytes=st.none() | st.sampled_from([0, 1, 2**53 - 1]) | st.integers(0, 10**6),
    user_agent=st.none() | st.sampled_from(["curl/8", "Mozilla/5.0", "Googlebot"]),
)
signups = st.builds(
    UserSignup,
    user_id=st.sampled_from([f"3f1c5a52-9d0e-4a7b-8c61-0d2b7e9f4a1{digit}" for digit in "0123"]),
    country=st.none() | st.sampled_from(["Peru", "Türkiye", ""]),
    age=st.none() | st.sampled_from([0, 200]) | st.integers(18, 99),
)
lengths = st.none() | st.sampled_from([0, 2**53 - 1]) | st.integers(0, 5000)


def _edit(old: int | None, new: int | None, **fields: Any) -> WikiEdit:
    return WikiEdit(length_old=old, length_new=new, length_delta=length_delta(old, new), **fields)


edits = st.builds(
    _edit,
    lengths,
    lengths,
    event_id=st.just("an id"),
    wiki=st.sampled_from(["enwiki", "wikidatawiki"]),
    kind=st.sampled_from(["edit", "new", "log", "categorize", "later"]),
    user=st.none() | st.sampled_from(["Ann", "198.51.100.7", "Zoë"]),
    bot=st.none() | st.booleans(),
    minor=st.none() | st.booleans(),
)
good = st.builds(encode, sources, numbers, times, accesses | signups | edits)


def _spoil(raw: bytes, how: str) -> bytes:
    if how == "status":
        return raw.replace(b'"data":{', b'"data":{"surprise":1,', 1)
    return raw[: len(raw) // 2] if how == "cut" else b"\x00garbage"


bad = st.builds(_spoil, good, st.sampled_from(["status", "cut", "garbage"]))


def _as_reject(raw: bytes, source: str, number: int) -> bytes:
    verdict = decode(raw)
    assert isinstance(verdict, Rejection)
    return reject_event(verdict, stage=Stage.PRODUCER, source=source, sequence=number, time=NOON)


passed = st.builds(_as_reject, bad, sources, numbers)
statuses = st.builds(
    lambda source, n: encode(source, None, NOON, ProducerStatus(spooled=n, acknowledged=n // 2)),
    sources,
    st.integers(0, 10),
)
arrived = st.builds(
    Arrived,
    good | good | bad | passed | statuses,
    st.integers(0, 7200).map(lambda seconds: NOON + timedelta(seconds=seconds)),
)
partitions = st.lists(arrived, max_size=30)
