"""Sends what a spool holds, life by life, and says every few seconds how far each source has come."""

from collections.abc import Sequence

from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.schemas.codec import FieldError, RejectCode, Rejection, Stage, encode, reject_event
from headrace.schemas.partition_keys import KeysOf
from headrace.schemas.records.producer_status import ProducerStatus
from producers.acknowledged import Acknowledged
from producers.backlog import Backlog
from producers.outlet import Outlet
from producers.passing import borne
from producers.quarantine import Quarantine
from producers.spool.cursor import Cursor
from producers.spool.entry import Damaged, Run
from producers.spool.life import Life
from producers.spool.spool import Spool

_QUEUED_BYTES = 8 << 20  # aggregated and not yet put; bounds the memory of the sender
_LINGER_SECONDS = 0.1


class Sender:
    """Works in steps, so that a thread or a test can drive it."""

    def __init__(
        self,
        spool: Spool,
        outlet: Outlet,
        keys_of: KeysOf,
        clock: Clock,
        *,
        status_seconds: float,
        numbered: bool = True,
        name: str = "",
    ) -> None:
        """`numbered`: the records bear the spool's numbers; else their own, and no status speaks of them.

        `name` is the input's, for the metrics.
        """
        self._spool = spool
        self._outlet = outlet
        self._keys_of = keys_of
        self._clock = clock
        self._status_seconds = status_seconds
        self._numbered = numbered
        self._quarantine = Quarantine(spool.quarantine)
        self._backlog = Backlog()
        self._pending = metrics.USER_RECORDS_PENDING.labels(name)
        self._spool_bytes = metrics.SPOOL_BYTES.labels(name)
        self._spool_age = metrics.SPOOL_AGE.labels(name)
        self._passage: _Passage | None = None
        self._status_due = float("-inf")

    def step(self) -> float:
        """Do what can be done now; returns seconds for which there is nothing to do.

        Raises KinesisRefused, SpoolUnusable or (when a status file finds no room) SpoolFull.
        """
        passage = self._follow()
        if passage is None or not self._outlet.is_ready:
            return self._outlet.wait_seconds() or _LINGER_SECONDS / 2
        filled = self._fill(passage)
        acknowledged = self._book(self._outlet.put())
        if self._clock.monotonic() >= self._status_due:
            self._report(passage.life)
        self._reject_unfit(passage.life)
        if filled or acknowledged:
            return 0.0
        return max(self._outlet.wait_seconds(), _LINGER_SECONDS / 4)

    def wait(self, seconds: float) -> None:
        """Until Kinesis has answered a request, or `wake`, or so many seconds."""
        self._outlet.wait(seconds)

    def wake(self) -> None:
        """End a `wait`; any thread may say so."""
        self._outlet.wake()

    def close(self) -> None:
        """Wait for the requests that are under way and let go of files."""
        try:
            self._book(self._outlet.close())
        finally:
            if self._passage is not None:
                self._passage.cursor.close()

    def _follow(self) -> "_Passage | None":
        """The oldest life that is not finished; the one before is ended first."""
        passage = self._passage
        if passage is not None and passage.is_over and self._end(passage):
            passage.cursor.close()
            passage = None
        if passage is None:
            life = next((life for life in list(self._spool.lives) if not life.is_finished), None)
            passage = None if life is None else _Passage(life)
        self._passage = passage
        return passage

    def _fill(self, passage: "_Passage") -> bool:
        """A block of the spool into aggregates; False when there is none, or no room for it."""
        outlet = self._outlet
        if outlet.queued_bytes >= _QUEUED_BYTES or outlet.unfit:
            return False
        items = passage.cursor.take_runs()
        if not items:
            outlet.flush(after=0.0 if not passage.life.is_open else _LINGER_SECONDS)
            return False
        for item in items:
            if isinstance(item, Run):
                outlet.add(item.first, item.records, self._keys_of(item.records))
            else:
                outlet.add(item.number, [self._damaged(item, passage.life)], [None])
        return True

    def _book(self, acknowledged: Sequence[tuple[int, ...]]) -> bool:
        """Let the spool know what Kinesis has."""
        passage = self._passage
        if not acknowledged or passage is None:
            return False
        for numbers in acknowledged:
            passage.acknowledged.add(numbers)
        if passage.acknowledged.until > passage.life.acknowledged:
            passage.life.acknowledge(passage.acknowledged.until)
        return True

    def _reject_unfit(self, life: Life) -> None:
        """Records that the stream does not take any more go to quarantine, and rejects in their place.

        Raises SpoolFull, after which it can be called again, or SpoolUnusable.
        """
        unfit = self._outlet.unfit
        while unfit:
            number, record = unfit[0]
            kept = self._quarantine.keep(record)
            rejection = Rejection(
                code=RejectCode.TOO_LARGE,
                errors=(FieldError("$", f"{len(record)} bytes, and the stream takes them no more"),),
                raw=record,
            )
            identity = (life.source, number) if self._numbered else borne(record)
            self._outlet.add(number, [self._stand_in(rejection, *identity, kept.place)], [None])
            unfit.popleft()

    def _damaged(self, entry: Damaged, life: Life) -> bytes:
        """What is sent in the place of an entry that cannot be read."""
        rejection = Rejection(
            code=RejectCode.DAMAGED_ENTRY,
            errors=(FieldError("$", f"the spool's entry on disk is damaged: {life.directory.name}"),),
            raw=entry.raw,
        )
        if self._numbered:
            return self._stand_in(rejection, life.source, entry.number)
        return self._stand_in(rejection, f"{life.source}/{entry.number}", 1)  # whose it was is lost

    def _stand_in(self, rejection: Rejection, source: str, number: int, place: str | None = None) -> bytes:
        """The reject that goes under the number of a record that cannot go."""
        return reject_event(
            rejection,
            stage=Stage.PRODUCER,
            source=source,
            sequence=number,
            time=self._clock.now(),
            place=place,
        )

    def _report(self, life: Life) -> None:
        self._status_due = self._clock.monotonic() + self._status_seconds
        self._pending.set(sum(life.spooled - life.acknowledged for life in list(self._spool.lives)))
        self._spool_bytes.set(self._spool.budget.taken)
        self._spool_age.set(self._backlog.age(self._clock.monotonic(), life.spooled, life.acknowledged))
        is_closing = self._passage is not None and self._passage.is_closing
        if life.spooled and self._numbered and not is_closing:
            self._outlet.announce(self._status(life, closed=False), life.source)

    def _end(self, passage: "_Passage") -> bool:
        """Say that a life is closed and sent; whether Kinesis knows it now."""
        life = passage.life
        if life.spooled and self._numbered:
            if not passage.is_closing:
                self._outlet.announce(self._status(life, closed=True), life.source)
                passage.is_closing = True
            if not self._outlet.has_announced:
                return False
        life.mark_reported()
        self._spool.sweep()
        return True

    def _status(self, life: Life, *, closed: bool) -> bytes:
        acknowledged, spooled = life.acknowledged, life.spooled
        data = ProducerStatus(spooled=spooled, acknowledged=acknowledged, closed=closed)
        return encode(life.source, None, self._clock.now(), data)


class _Passage:
    """One life on its way."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.cursor = Cursor(life, life.acknowledged, life.fresh)
        self.acknowledged = Acknowledged(life.acknowledged)
        self.is_closing = False
        """Whether its last status has been given to the outlet."""

    @property
    def is_over(self) -> bool:
        """Whether the life is closed and all of it is with Kinesis."""
        return not self.life.is_open and self.life.acknowledged >= self.life.spooled
