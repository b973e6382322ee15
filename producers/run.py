"""The course of a run: read until the end or a stop, then let everything arrive, then close the source."""

from collections.abc import Callable

from headrace.errors import SourceUnreadable
from headrace.ops.clock import Clock
from headrace.ops.health import Health
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from producers.intake import Intake
from producers.outlet import Outlet
from producers.progress import Progress, State
from producers.reader import Reader
from producers.sender_thread import SenderThread
from producers.spool.spool import Spool

_TELL_SECONDS = 0.2
_LOOK_SECONDS = 0.02


class Run:
    """One process's work; used once."""

    def __init__(
        self,
        *,
        spool: Spool,
        reader: Reader,
        intake: Intake,
        outlet: Outlet,
        sender: SenderThread,
        clock: Clock,
        shutdown: Shutdown,
        tell: Callable[[Progress], None] | None,
    ) -> None:
        self._spool = spool
        self._reader = reader
        self._intake = intake
        self._outlet = outlet
        self._sender = sender
        self._clock = clock
        self._shutdown = shutdown
        self._tell = tell
        self._told_at = float("-inf")
        self._told_problem = ""
        self._state: State = "reading"
        self._deadline: float | None = None
        self._log = get_logger()

    def to_the_end(self, drain_seconds: float) -> int:
        """Returns the exit code; raises what ended the reading, once all that was read is sent."""
        self._sender.start()
        unreadable: SourceUnreadable | None = None
        try:
            try:
                self._read()
            except SourceUnreadable as error:
                unreadable = error
            self._state = "draining"
            self._drain(drain_seconds, ends=self._reader.ended or self._shutdown.requested())
        finally:
            self._sender.stop()
        self._sender.check()
        self._state = "done"
        self._told_at = float("-inf")
        self._look()
        if unreadable is not None:
            raise unreadable
        self._say_goodbye()
        return 0

    def progress(self) -> Progress:
        """How far it has come."""
        lives = list(self._spool.lives)
        last = lives[-1] if lives else None
        paused = self._state == "reading" and bool(self._reader.problem)
        return Progress(
            state="paused" if paused else self._state,
            read=self._intake.accepted + self._intake.rejected,
            rejected=self._intake.rejected,
            source=last.source if last else "",
            spooled=last.spooled if last else 0,
            acknowledged=last.acknowledged if last else 0,
            waiting=sum(life.spooled - life.acknowledged for life in lives),
            spool_bytes=self._spool.budget.taken,
            problem="; ".join(filter(None, (self._reader.problem, self._outlet.trouble))),
        )

    def health(self) -> Health:
        """Red while the source is paused or Kinesis does not take records."""
        progress = self.progress()
        return Health(
            ok=not progress.problem and self._sender.failure is None,
            detail={name: getattr(progress, name) for name in progress.__struct_fields__},
        )

    def _read(self) -> None:
        while not self._reader.ended and not self._shutdown.requested():
            seconds = self._reader.step()
            self._look()
            if seconds:
                self._shutdown.wait(seconds)

    def _drain(self, seconds: float, *, ends: bool) -> None:
        """Let all arrive, then close the source and let that be known; a requested stop sets a deadline."""
        if not self._wait_until(self._reader.commit, seconds):
            return
        if not self._wait_until(lambda: self.progress().waiting == 0, seconds):
            return
        lives = self._spool.lives
        if ends and lives and lives[-1].is_open:
            lives[-1].close("all is sent")
            self._wait_until(lambda: lives[-1].is_finished, seconds)

    def _wait_until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        while not is_so():
            self._look()
            now = self._clock.monotonic()
            if self._shutdown.requested():
                self._deadline = self._deadline or now + seconds
            if self._deadline is not None and now >= self._deadline:
                return False
            self._clock.sleep(_LOOK_SECONDS)
        return True

    def _look(self) -> None:
        """Notice a sender that has ended; tell how far we are; log a problem when it comes and goes."""
        self._sender.check()
        now = self._clock.monotonic()
        if now - self._told_at < _TELL_SECONDS:
            return
        self._told_at = now
        progress = self.progress()
        if progress.problem != self._told_problem:
            if progress.problem:
                self._log.warning("held up", problem=progress.problem)
            else:
                self._log.info("going on")
            self._told_problem = progress.problem
        if self._tell is not None:
            self._tell(progress)

    def _say_goodbye(self) -> None:
        progress = self.progress()
        if progress.waiting:
            self._log.warning(
                f"stopped; {progress.waiting:,} records remain in the spool and are sent at the next start",
                spool=str(self._spool.directory),
            )
        else:
            self._log.info(
                "all is sent", read=progress.read, rejected=progress.rejected, source=progress.source
            )
