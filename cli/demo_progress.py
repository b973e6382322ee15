"""How far a demo is: what the producer has sent, what the warehouse holds, and the windows so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cli.windows import Newest, newest_of, newest_statement, table
from headrace.ops.clock import Clock
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.targets.sql import quote
from headrace.warehouse.reader import Reader, Statement

_PLAIN_SECONDS = 2.0  # between two lines where there is no terminal
_LIVE_ROWS = 8


class Filled(NamedTuple):
    """How far one output is: `newest` is the start of its newest window, None before the first.

    `late` of its `records` came late, to windows that start between `first_late` and `last_late`.
    """

    output: WindowedOutput
    windows: int
    newest: datetime | None
    records: int
    late: int
    first_late: datetime | None
    last_late: datetime | None


@dataclass(frozen=True)
class Progress:
    """Counts of records, and how far each watched output is."""

    sent: int = 0
    counted: int = 0
    rejected: int = 0
    closed: bool = False
    outputs: tuple[Filled, ...] = ()

    @property
    def lag(self) -> int:
        """Records that were sent and are not in the warehouse yet."""
        return max(0, self.sent - self.counted - self.rejected)

    @property
    def complete(self) -> bool:
        """Whether the producer is done and all that it sent is in."""
        return self.closed and self.lag == 0

    @property
    def windows(self) -> int:
        """Of all outputs."""
        return sum(it.windows for it in self.outputs)

    @property
    def newest(self) -> datetime | None:
        """The start of the newest window of all."""
        return max((it.newest for it in self.outputs if it.newest), default=None)


def read(reader: Reader, outputs: Sequence[WindowedOutput]) -> tuple[Progress, list[Newest]]:
    """What the warehouse says, of one state. Raises WarehouseUnavailable."""
    rows, count = max(_LIVE_ROWS // len(outputs), 2), len(outputs)
    books, *found = reader.read(
        _BOOKS, *map(_filled, outputs), *(newest_statement(output, rows) for output in outputs)
    )
    [(sent, counted, rejected, closed)] = cast("list[tuple[int, int, int, bool]]", books.rows)
    filled = tuple(
        Filled(output, *each.rows[0])  # type: ignore[arg-type]
        for output, each in zip(outputs, found[:count], strict=True)
    )
    newest = [newest_of(output, each) for output, each in zip(outputs, found[count:], strict=True)]
    return Progress(sent, counted, rejected, closed, filled), newest


_BOOKS = Statement(
    "SELECT COALESCE(SUM(GREATEST(spooled, highest)), 0)::bigint, COALESCE(SUM(counted), 0)::bigint,"
    " COALESCE(SUM(rejected), 0)::bigint, COALESCE(BOOL_AND(closed), FALSE) FROM ledger"
)


def _filled(output: WindowedOutput) -> Statement:
    return Statement(
        "SELECT COUNT(DISTINCT window_start), MAX(window_start), COALESCE(SUM(records), 0)::bigint,"  # noqa: S608  a declared name
        " COALESCE(SUM(late_records), 0)::bigint, MIN(window_start) FILTER (WHERE late_records > 0),"
        f" MAX(window_start) FILTER (WHERE late_records > 0) FROM {quote(output.name)}"
    )


class Display(Protocol):
    """Where a demo shows itself."""

    def say(self, text: str) -> None:
        """A step that was done."""
        ...

    def show(self, progress: Progress, found: Sequence[Newest], given: str) -> None:
        """How far it is; `given` says what each input gave, where there are several."""
        ...

    def close(self) -> None:
        """Leave the last state on the screen."""
        ...


class LiveDisplay:
    """On a terminal: one picture that is drawn again and again under the steps."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._clock, self._started = clock, clock.monotonic()
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._live.start()

    def say(self, text: str) -> None:
        """A step that was done."""
        self._live.console.print(Text(f"{self._clock.monotonic() - self._started:5.1f} s  {text}"))

    def show(self, progress: Progress, found: Sequence[Newest], given: str) -> None:
        """How far it is, with the newest windows."""
        filled = [table(it) for it in found if it.rows]
        self._live.update(Group(Text(_line(progress, given), style="bold"), *filled))

    def close(self) -> None:
        """Leave the steps on the screen."""
        self._live.stop()


class PlainDisplay:
    """Where there is no terminal: a line for each step, and every few seconds one that says how far it is."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console, self._clock, self._started = console, clock, clock.monotonic()
        self._last = 0.0

    def say(self, text: str) -> None:
        """A step that was done."""
        self._console.print(Text(f"{self._clock.monotonic() - self._started:5.1f} s  {text}"), soft_wrap=True)

    def show(
        self,
        progress: Progress,
        found: Sequence[Newest],  # noqa: ARG002  the protocol's signature
        given: str,
    ) -> None:
        """How far it is, unless it was said a moment ago."""
        now = self._clock.monotonic()
        if now - self._last >= _PLAIN_SECONDS or progress.complete:
            self._last = now
            self.say(_line(progress, given))

    def close(self) -> None:
        """Nothing is left to do."""


def _line(progress: Progress, given: str) -> str:
    newest_window = f", newest {progress.newest:%Y-%m-%d %H:%M}" if progress.newest else ""
    from_each = f" ({given})" if given else ""
    return (
        f"sent {progress.sent:,}{from_each}  counted {progress.counted:,}  rejected {progress.rejected:,}"
        f"  lag {progress.lag:,}  windows {progress.windows:,}{newest_window}"
    )
