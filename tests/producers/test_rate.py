import pytest

from producers.rate import BackOff, ShardRate

MEGABYTE = 1 << 20


def send(rate: ShardRate, seconds: float) -> int:
    """Send 50 kB pieces for so long; returns the bytes that went."""
    taken = 0
    for step in range(int(seconds * 100)):
        now = step / 100
        while rate.allows(now):
            rate.sent(50_000)
            rate.accepted(50_000, now)
            taken += 50_000
    return taken


def test_there_is_no_limit_before_the_first_refusal() -> None:
    rate = ShardRate()
    assert all(rate.allows(0.0) for _ in range(100))


def test_a_refusal_cuts_the_rate_and_time_raises_it_until_it_is_free_again() -> None:
    rate = ShardRate()
    rate.throttled(10.0)
    assert rate.limit == pytest.approx(MEGABYTE * 0.6)
    rate.throttled(10.5)  # of the same burst
    assert rate.limit == pytest.approx(MEGABYTE * 0.6)
    rate.throttled(11.5)
    cut = rate.limit
    assert cut is not None
    assert cut == pytest.approx(MEGABYTE * 0.36)
    rate.allows(21.5)
    assert rate.limit == pytest.approx(cut + 10 * 65_536)
    rate.allows(500.0)
    assert rate.limit is None


def test_a_limited_shard_gets_about_its_rate() -> None:
    rate = ShardRate()
    rate.throttled(0.0)
    taken = send(rate, 5.0)
    mean = MEGABYTE * 0.6 + 2.5 * 65_536
    assert mean * 4.5 < taken < mean * 5.7


def test_back_off_doubles_up_to_its_limit_and_begins_small_again() -> None:
    back_off = BackOff(lambda: 0.5, first=0.1, longest=1.0)
    waits = []
    for _ in range(6):
        back_off.failed(100.0)
        waits.append(back_off.until - 100.0)
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.5, 0.5])
    assert not back_off.is_over(100.1)
    back_off.succeeded()
    back_off.failed(200.0)
    assert back_off.until == pytest.approx(200.05)


def test_a_thousand_failures_do_not_overflow() -> None:
    back_off = BackOff(lambda: 1.0)
    for _ in range(1_000):
        back_off.failed(0.0)
    assert back_off.until == pytest.approx(5.0)


def test_failures_of_what_began_together_count_once() -> None:
    back_off = BackOff(lambda: 1.0, first=0.1)
    for _ in range(8):
        back_off.failed(10.0, begun=9.0)
    assert back_off.until == pytest.approx(10.1)
    back_off.failed(10.5, begun=10.2)
    assert back_off.until == pytest.approx(10.7)
