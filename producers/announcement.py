"""The one record that rides in front of a request: a source's status, of which only the newest matters."""

from collections.abc import Callable

from headrace.kinesis.messages import PutEntry
from producers.rate import BackOff


class Announcement:
    """Said again until Kinesis has taken it, or a newer one has come."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._to_say: PutEntry | None = None
        self._under_way: PutEntry | None = None
        self._back_off = BackOff(draw)

    @property
    def is_said(self) -> bool:
        """Whether Kinesis has the newest one."""
        return self._to_say is None

    def set(self, entry: PutEntry) -> None:
        """Say this instead of what has not been said yet."""
        self._to_say = entry

    def take(self, now: float) -> PutEntry | None:
        """What the next request should hold; it is under way until `taken` or `failed`."""
        if self._under_way is None and self._back_off.is_over(now):
            self._under_way = self._to_say
            return self._to_say
        return None

    def taken(self) -> None:
        """Kinesis has it."""
        if self._to_say is self._under_way:
            self._to_say = None
        self._under_way = None
        self._back_off.succeeded()

    def failed(self, now: float) -> None:
        """Kinesis has not taken it."""
        self._under_way = None
        self._back_off.failed(now)

    def wait_seconds(self, now: float) -> float | None:
        """Until it is worth to try; None when there is nothing to say."""
        if self._to_say is None or self._under_way is not None:
            return None
        return max(self._back_off.until - now, 0.0)
