"""How far a demo is: what the producer has sent, what the warehouse holds, and the windows so far."""

import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec
import psycopg
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cli.analyst import connect
from cli.windows import Newest, newest, table
from headrace.ops.clock import Clock
from headrace.schemas.outputs import WindowedOutput
from infra.local import ports, processes
from infra.local.stack import PRODUCER
from infra.local.state import State

_PLAIN_SECONDS = 2.0  # between two lines where there is no terminal
_LIVE_ROWS = 8


@dataclass(frozen=True)
class Progress:
    """Counts of records. `newest` is the start of the newest window, None before the first."""

    sent: int = 0
    counted: int = 0
    rejected: int = 0
    closed: bool = False
    windows: int = 0
    newest: datetime | None = None
    late: int = 0
    first: datetime | None = None

    @property
    def lag(self) -> int:
        """Records that were sent and are not in the warehouse yet."""
        return max(0, self.sent - self.counted - self.rejected)

    @property
    def complete(self) -> bool:
        """Whether the producer is done and all that it sent is in."""
        return self.closed and self.lag == 0


def read(url: str, outputs: Sequence[WindowedOutput]) -> tuple[Progress, list[Newest]]:
    """What the warehouse says, in one transaction. Raises WarehouseUnavailable."""
    rows = max(_LIVE_ROWS // len(outputs), 2)
    with connect(url) as connection:
        found = [newest(connection, output, rows) for output in outputs]
        return _progress(connection, outputs), found


class _Input(msgspec.Struct):
    read: int
    problem: str


class _Detail(msgspec.Struct):
    spooled: int
    waiting: int
    inputs: dict[str, _Input]


class _Said(msgspec.Struct):
    detail: _Detail


def sent(state: State) -> int:
    """How many records Kinesis has taken, as the producer itself says; 0 when it does not run."""
    said = _ask_producer(state)
    return said.spooled - said.waiting if said else 0


def silent(state: State) -> dict[str, str]:
    """The producer's inputs that have given nothing, each with the reason it tells."""
    said = _ask_producer(state)
    return {name: it.problem for name, it in said.inputs.items() if not it.read} if said else {}


def _ask_producer(state: State) -> _Detail | None:
    producer = processes.find(state, PRODUCER)
    if producer is None:
        return None
    try:
        with urllib.request.urlopen(f"http://{ports.LOOPBACK}:{producer.port}/healthz", timeout=2) as answer:
            return msgspec.json.decode(answer.read(), type=_Said).detail
    except (OSError, msgspec.DecodeError):
        return None


def _progress(connection: psycopg.Connection, outputs: Sequence[WindowedOutput]) -> Progress:
    books = connection.execute(
        "SELECT COALESCE(SUM(GREATEST(spooled, highest)), 0)::bigint, COALESCE(SUM(counted), 0)::bigint,"
        " COALESCE(SUM(rejected), 0)::bigint, COALESCE(BOOL_AND(closed), FALSE) FROM ledger"
    ).fetchone()
    windows = [
        connection.execute(
            psycopg.sql.SQL(
                "SELECT COUNT(DISTINCT window_start), MAX(window_start),"
                " COALESCE(SUM(late_records), 0)::bigint, MIN(window_start) FROM {}"
            ).format(psycopg.sql.Identifier(output.name))
        ).fetchone()
        or (0, None, 0, None)
        for output in outputs
    ]
    counts, newest_starts, late, first_starts = zip(*windows, strict=True)
    newest_start = max(filter(None, newest_starts), default=None)
    first_start = min(filter(None, first_starts), default=None)
    sent, counted, rejected, closed = books or (0, 0, 0, False)
    return Progress(sent, counted, rejected, closed, sum(counts), newest_start, sum(late), first_start)


class Display(Protocol):
    """Where a demo shows itself."""

    def say(self, text: str) -> None:
        """A step that was done."""
        ...

    def show(self, progress: Progress, found: Sequence[Newest]) -> None:
        """How far it is."""
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

    def show(self, progress: Progress, found: Sequence[Newest]) -> None:
        """How far it is, with the newest windows."""
        self._live.update(Group(Text(_line(progress), style="bold"), *map(table, found)))

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

    def show(self, progress: Progress, found: Sequence[Newest]) -> None:  # noqa: ARG002  the protocol's signature
        """How far it is, unless it was said a moment ago."""
        now = self._clock.monotonic()
        if now - self._last >= _PLAIN_SECONDS or progress.complete:
            self._last = now
            self.say(_line(progress))

    def close(self) -> None:
        """Nothing is left to do."""


def _line(progress: Progress) -> str:
    newest_window = f", newest {progress.newest:%Y-%m-%d %H:%M}" if progress.newest else ""
    return (
        f"sent {progress.sent:,}  counted {progress.counted:,}  rejected {progress.rejected:,}"
        f"  lag {progress.lag:,}  windows {progress.windows:,}{newest_window}"
    )
