from datetime import timedelta
from email.utils import format_datetime

import pytest

from producers.reading.fetch import Answer
from producers.reading.retrying import Retrying, wished_seconds
from tests.doubles.clock import START, ManualClock


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("²", 0),
        (format_datetime(START + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(START - timedelta(seconds=90), usegmt=True), 0),
        ("Sat, 21 Nov 2026 14:01:30 +0200", 90),
        ("Saturday, 21-Nov-26 12:01:30 GMT", 90),
        ("Sat Nov 21 12:01:30 2026", 90),
        ("Sat, 99 Nov 2026 12:01:30 GMT", 0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str | None, seconds: float) -> None:
    assert wished_seconds(header, START) == seconds


def test_a_wish_of_years_is_a_day(clock: ManualClock) -> None:
    retrying = Retrying("host", clock, lambda: 0.5, first=1, longest=60)
    retrying.answered(Answer(503, {"retry-after": "9" * 40}))
    clock.advance(86_399)
    assert not retrying.is_over()
    clock.advance(1)
    assert retrying.is_over()


@pytest.mark.parametrize("draw", [0.0, 0.25, 0.999])
def test_waits_are_drawn_up_to_a_bound_that_doubles_and_begins_small_after_a_success(
    clock: ManualClock, draw: float
) -> None:
    retrying = Retrying("host", clock, lambda: draw, first=1, longest=8)

    def wait() -> float:
        retrying.failed("why", "connection")
        return retrying._until - clock.monotonic()

    assert [wait() for _ in range(5)] == [pytest.approx(draw * whole) for whole in (1, 2, 4, 8, 8)]
    retrying.succeeded()
    assert wait() == pytest.approx(draw)
