"""The one place where real time and real randomness enter."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Clock(Protocol):
    """What a process may ask about time."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251  this is the one real clock

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def new_ulid(clock: Clock, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A ULID: 26 characters that sort by time (48 bits of milliseconds, 80 random bits).

    Source: https://github.com/ulid/spec
    """
    milliseconds = (clock.now() - _EPOCH) // timedelta(milliseconds=1)
    return _spelled((milliseconds << 80) | int.from_bytes(random_bytes(10)))


def ulid_behind(last: str, ulid: str) -> str:
    """`ulid`, if it sorts behind `last`; else, as when the clock was put back, its random part does there."""
    if ulid > last:
        return ulid
    return _spelled(((_number(last) >> 80) + 1 << 80) | _number(ulid) & (1 << 80) - 1)


def _spelled(number: int) -> str:
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def _number(ulid: str) -> int:
    number = 0
    for character in ulid:
        number = number << 5 | max(_CROCKFORD.find(character), 0)
    return number
