"""One input's way: read until the end or a stop, then let everything arrive, then close the source.

Two threads work in it: one reads, numbers and spools; one sends what is on disk.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from headrace.errors import SourceUnreadable
from headrace.ops.clock import Clock
from headrace.ops.shutdown import Shutdown
from producers.intake import Intake
from producers.outlet import Outlet
from producers.progress import Progress, State
from producers.reader import Reader
from producers.sender_thread import SenderThread
from producers.spool.spool import Spool

_LOOK_SECONDS = 0.02


class Parts(NamedTuple):
    """What a pipeline is made of."""

    spool: Spool
    reader: Reader
    intake: Intake
    outlet: Outlet
    sender: SenderThread


class Pipeline:
    """Used once: `start`, then `stop` or wait until `is_done`; `failure` says what ended it, if not that.

    `resources` are let go of when it ends.
    """

    def __init__(self, name: str, parts: Parts, clock: Clock, *, drain_seconds: float) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self.resources = ExitStack()
        self.steps = 0
        """Grows while the reading thread lives and works."""
        self._parts = parts
        self._clock = clock
        self._drain_seconds = drain_seconds
        self._stopping = Shutdown()
        self._state: State = "reading"
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"reader {name}".strip(), daemon=True)

    def start(self) -> None:
        """Begin to read and to send."""
        self._parts.sender.start()
        self._thread.start()

    def stop(self, reason: str) -> None:
        """Ask it to drain and to end; what is not sent within the drain seconds stays in the spool."""
        self._stopping.request(reason)

    @property
    def is_done(self) -> bool:
        """Whether it has ended and let go of its files."""
        return not self._thread.is_alive()

    @property
    def can_take(self) -> bool:
        """Whether a record that came now would be taken."""
        return self._state == "reading" and not self._parts.reader.problem and self.failure is None

    @property
    def works(self) -> tuple[int, int]:
        """Two counters, of the reading and of the sending thread, that stand still when a thread hangs."""
        return self.steps, self._parts.sender.steps

    def progress(self) -> Progress:
        """How far it has come."""
        reader, intake, spool = self._parts.reader, self._parts.intake, self._parts.spool
        lives = list(spool.lives)
        last = lives[-1] if lives else None
        paused = self._state == "reading" and bool(reader.problem)
        return Progress(
            state="paused" if paused else self._state,
            read=intake.accepted + intake.rejected,
            rejected=intake.rejected,
            source=last.source if last else "",
            spooled=last.spooled if last else 0,
            acknowledged=last.acknowledged if last else 0,
            waiting=sum(life.spooled - life.acknowledged for life in lives),
            spool_bytes=spool.budget.taken,
            problem="; ".join(filter(None, (reader.trouble, reader.problem, self._parts.outlet.trouble))),
        )

    def _run(self) -> None:
        try:
            with self.resources:
                self._to_the_end()
        except BaseException as error:  # noqa: BLE001  the daemon looks at it
            self.failure = error

    def _to_the_end(self) -> None:
        """Raises what ended the reading, once all that was read is sent."""
        reader, sender = self._parts.reader, self._parts.sender
        unreadable: SourceUnreadable | None = None
        try:
            try:
                self._read()
            except SourceUnreadable as error:
                unreadable = error
            self._state = "draining"
            self._drain(ends=reader.ended or self._stopping.requested())
        finally:
            sender.stop()
        sender.check()
        self._state = "done"
        if unreadable is not None:
            raise unreadable

    def _read(self) -> None:
        reader = self._parts.reader
        while not reader.ended and not self._stopping.requested():
            seconds = reader.step()
            self._look()
            if seconds:
                self._stopping.wait(seconds)

    def _drain(self, *, ends: bool) -> None:
        """Let all arrive, then close the source and let that be known; a requested stop sets a deadline."""
        if not self._wait_until(self._parts.reader.commit):
            return
        self._parts.reader.close()
        lives = self._parts.spool.lives
        if not self._wait_until(lambda: all(life.spooled <= life.acknowledged for life in list(lives))):
            return
        if ends and lives and lives[-1].is_open:
            lives[-1].close("all is sent")
            self._wait_until(lambda: lives[-1].is_finished)

    def _wait_until(self, is_so: Callable[[], bool]) -> bool:
        while not is_so():
            self._look()
            now = self._clock.monotonic()
            if self._stopping.requested():
                self._deadline = self._deadline or now + self._drain_seconds
            if self._deadline is not None and now >= self._deadline:
                return False
            self._clock.sleep(_LOOK_SECONDS)
        return True

    def _look(self) -> None:
        """Notice a sender that has ended."""
        self.steps += 1
        self._parts.sender.check()
