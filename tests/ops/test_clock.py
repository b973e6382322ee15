from datetime import UTC, datetime, timedelta

from headrace.ops.clock import SystemClock, new_ulid


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
