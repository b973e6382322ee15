from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from headrace.ops.clock import SystemClock, new_ulid, ulid_behind


class StoppedClock(SystemClock):
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def test_ulids_have_26_characters_and_sort_by_time() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    early, late = (new_ulid(StoppedClock(at + timedelta(milliseconds=n))) for n in (0, 1))
    assert len(early) == 26
    assert early < late


def test_a_ulid_holds_time_and_randomness_as_its_specification_says() -> None:
    moment = datetime.fromtimestamp(1469922850.259, UTC)
    assert new_ulid(StoppedClock(moment), lambda n: b"\0" * n) == "01ARZ3NDEK" + "0" * 16


@given(st.integers(0, 2**45), st.integers(0, 2**45), st.binary(min_size=20, max_size=20))
def test_a_ulid_behind_another_sorts_behind_it_and_keeps_its_own_randomness(
    last_ms: int, own_ms: int, noise: bytes
) -> None:
    last, own = ulid(last_ms, noise[:10]), ulid(own_ms, noise[10:])
    behind = ulid_behind(last, own)
    assert behind > last
    assert behind[10:] == own[10:]
    assert behind == own or own <= last


def ulid(milliseconds: int, noise: bytes) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return new_ulid(StoppedClock(at), lambda _: noise)
