"""One input that is kept going: begun again when it fails, changed when its settings change."""

from collections.abc import Callable, Sequence

from headrace.errors import HeadraceError
from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from producers.configuration import Input
from producers.pipeline import Pipeline
from producers.progress import Progress, total
from producers.rate import BackOff

_HUNG_SECONDS = 120.0  # more than a request, or a sync of a slow disk, may take
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5.0, 300.0


class Supervised:
    """`wanted` is what ought to run; `look`, called several times a second, brings that about.

    `failure` is what ended its pipelines last, until they run again.
    """

    def __init__(
        self,
        it: Input,
        assemble: Callable[[Input], list[Pipeline]],
        clock: Clock,
        draw: Callable[[], float],
        *,
        begins_again: bool,
    ) -> None:
        """`begins_again`: what an error of ours has ended is begun again after a pause, without limit."""
        self.wanted: Input | None = it
        self.failure: BaseException | None = None
        self._running: Input | None = None
        self._assemble = assemble
        self._clock = clock
        self._begins_again = begins_again
        self._pause = BackOff(draw, first=_FIRST_PAUSE_SECONDS, longest=_LONGEST_PAUSE_SECONDS)
        self._pipelines: Sequence[Pipeline] = ()
        self._moved: list[tuple[int, float]] = []  # each thread's counter, and since when it stands there
        self._told = ""
        self._held_up = metrics.INPUT_HELD_UP.labels(input=it.name)
        self._log = get_logger(**({"input": it.name} if it.name else {}))

    def begin(self) -> None:
        """Start the pipelines of what is wanted. Raises what `assemble` raises."""
        if self.wanted is not None:
            self._pipelines = self._assemble(self.wanted)
            self._running, self.failure = self.wanted, None
            for pipeline in self._pipelines:
                pipeline.start()

    def look(self) -> None:
        """Stop what is not wanted, notice what has ended, begin what is due."""
        self._tell()
        failure = next((p.failure for p in self._pipelines if p.failure is not None), None)
        if self._running is not None and all(pipeline.is_done for pipeline in self._pipelines):
            self._on_end(failure)
        elif self._running is not None and (failure is not None or self.wanted != self._running):
            for pipeline in self._pipelines:
                pipeline.stop("its settings have changed" if failure is None else "the one beside it failed")
        if self._running is None and self.wanted is not None and self._pause.is_over(self._clock.monotonic()):
            self._try_to_begin()

    @property
    def is_over(self) -> bool:
        """Whether nothing runs, and nothing ought to."""
        return self._running is None and self.wanted is None

    @property
    def is_alive(self) -> bool:
        """Whether its threads work, or have come to a good end."""
        return self.failure is None and not self.hangs

    @property
    def hangs(self) -> bool:
        """Whether a thread of it has done nothing for minutes."""
        now = self._clock.monotonic()
        counters = [count for pipeline in self._pipelines if not pipeline.is_done for count in pipeline.works]
        if len(counters) != len(self._moved):
            self._moved = [(-1, now)] * len(counters)
        self._moved = [
            (count, since if count == before else now)
            for count, (before, since) in zip(counters, self._moved, strict=True)
        ]
        return any(now - since >= _HUNG_SECONDS for _, since in self._moved)

    @property
    def can_take(self) -> bool:
        """Whether records that came now would be taken."""
        return self.failure is None and all(pipeline.can_take for pipeline in self._pipelines)

    def progress(self) -> Progress:
        """How far it has come since it began (anew)."""
        now = total([pipeline.progress() for pipeline in self._pipelines])
        if self.failure is None:
            return now
        return Progress(state="failed", source=now.source, waiting=now.waiting, problem=str(self.failure))

    def _on_end(self, failure: BaseException | None) -> None:
        self.failure = failure
        if failure is None:
            self._pause.succeeded()
            if self.wanted == self._running:  # it has come to its end
                self.wanted = None
        elif self._begins_again and isinstance(failure, HeadraceError):
            self._pause.failed(self._clock.monotonic())
            if self.wanted is not None:
                self._log.error("the input has failed and will be begun again", problem=str(failure))
        else:
            self.wanted = None
        self._running = None

    def _try_to_begin(self) -> None:
        try:
            self.begin()
        except HeadraceError as error:
            self.failure = error
            self._pause.failed(self._clock.monotonic())
            self._log.error("the input cannot begin", problem=str(error))

    def _tell(self) -> None:
        """Show a problem, and log it when it comes and when it goes."""
        problem = self.progress().problem
        self._held_up.set(1 if problem else 0)
        if self.failure is not None:  # it has been logged when it happened
            return
        if problem and problem != self._told:
            self._log.warning("held up", problem=problem)
        elif self._told and not problem:
            self._log.info("going on")
        self._told = problem
