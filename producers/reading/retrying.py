"""When to ask somebody else's server again, and what to tell the operator until it answers."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from headrace.ops import metrics
from headrace.ops.clock import Clock
from producers.rate import BackOff
from producers.reading.fetch import Answer

_LONGEST_WISH_SECONDS = 86_400.0  # a server may ask for a day; more is its mistake
_REFUSED_SECONDS = 300.0
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class Retrying:
    """`trouble` says why the last attempt brought nothing; empty when all is well."""

    def __init__(
        self,
        host: str,
        clock: Clock,
        draw: Callable[[], float],
        *,
        first: float,
        longest: float,
        name: str = "",
    ) -> None:
        """Waits are drawn up to `first` seconds, doubling with each failure up to `longest`.

        `name` is the input's, for the metrics.
        """
        self.trouble = ""
        self._name = name
        self._host = host
        self._clock = clock
        self._draw = draw
        self._back_off = BackOff(draw, first=first, longest=longest)
        self._until = float("-inf")

    def is_over(self) -> bool:
        """Whether to ask now."""
        return self._clock.monotonic() >= self._until

    def succeeded(self) -> None:
        """It answers as it should."""
        self.trouble = ""
        self._back_off.succeeded()

    def failed(self, why: str, reason: str, *, at_least: float = 0.0, quietly: bool = False) -> None:
        """Wait longer than the last time, and `at_least` so many seconds; `reason` is the metric's label.

        `quietly`: the attempt had brought something, so that a short wait is no trouble.
        """
        now = self._clock.monotonic()
        self._back_off.failed(now)
        self._until = max(self._back_off.until, now + min(at_least, _LONGEST_WISH_SECONDS))
        self._note(why, reason, quietly=quietly)

    def refused(self, why: str, reason: str) -> None:
        """It will hardly answer otherwise soon: ask every few minutes."""
        self._until = self._clock.monotonic() + _REFUSED_SECONDS * (0.5 + self._draw() / 2)
        self._note(f"{why} (tried again every few minutes)", reason, quietly=False)

    def answered(self, answer: Answer) -> None:
        """It answered with a status that is none of success."""
        said = f"it answers {answer.status} {_phrase(answer.status)}".rstrip()
        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in _PASSING:
            self.refused(said, "status")
            return
        wish = wished_seconds(answer.headers.get("retry-after"), self._clock.now())
        if wish:
            said += f", and asks to wait {wish:.0f} s"
        self.failed(said, "status", at_least=wish)

    def _note(self, why: str, reason: str, *, quietly: bool) -> None:
        metrics.SOURCE_FAILURES.labels(self._name, reason).inc()
        if not quietly:
            self.trouble = f"{self._host}: {why}"


def wished_seconds(retry_after: str | None, now: datetime) -> float:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3), a number or a date; 0 without a usable one."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
