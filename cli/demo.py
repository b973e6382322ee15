"""`headrace demo`: one real log, or live feeds, the whole way to proven windows and a proven archive."""

import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console, Group
from rich.text import Text

from cli import demo_progress
from cli.consoles import console
from cli.demo_archive import REJECTS, objects_table, rejects_table
from cli.demo_input import EXAMPLE, DemoInput, Feeds, Replay
from cli.demo_producer import Producer, counts
from cli.demo_progress import Display, LiveDisplay, PlainDisplay, Progress
from cli.demo_words import how_to_go_on, lateness
from cli.exit_codes import FAILED, GOOD
from cli.place import Place
from cli.reconcile import draw
from cli.windows import newest, table
from headrace.errors import LocalStackFailed, SettingsError, WarehouseUnavailable
from headrace.lake.events import EventsArchive
from headrace.lake.objects import Lake
from headrace.lake.objects import connect as open_lake
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.operators import open_analyst
from headrace.warehouse.reader import Reader
from headrace.warehouse.reconcile import ArchiveCheck, reconcile
from infra.local import java, ports, postgres, processes
from infra.local.stack import PRODUCER, Stack
from infra.local.workers import ARCHIVE, DESK, JOB, WORKERS

EXAMPLE_SPEED = 1000.0  # lines a second, so that there is something to watch
_POLL = 0.5
_STALL_SECONDS = 60
_GIVE_UP_SECONDS = 10  # once the producer has failed, or has ended with nothing
_ARRIVE_SECONDS = 60
_ARCHIVE_SECONDS = 30  # what is older must be in the archive
_FOR_A_MINUTE = {
    "HEADRACE_DELIVERY_SECONDS": "3",  # so that nobody waits for a buffer to fill
    "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1",  # compiled quickly, not for days: Spark starts sooner
}


@click.command(epilog="Example: headrace demo --log /var/log/nginx/access.log.1.gz --rebase now")
@click.option("--log", type=click.Path(path_type=Path), help="An access log, plain or .gz; else the example.")
@click.option("--rebase", type=click.Choice(["now"]), help="Shift the log's times so that the newest is now.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="LINES_PER_SECOND",
    help="Pace the replay; else 1,000 for the example, and as fast as it goes for a log of yours.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Instead of a log the inputs of this settings file, such as examples/live.toml.",
)
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=1),
    help="How long, with --config.",
)
@click.pass_obj
def command(
    place: Place,
    *,
    log: Path | None,
    rebase: str | None,
    speed: float | None,
    config: Path | None,
    seconds: float,
) -> int:
    """Replay a log into a fresh local stack, watch the windows fill, and prove the result.

    What a former demo or stack left is removed first. What this one leaves stays, for `headrace query`,
    `windows` and `reconcile`. Exit code 0 only when every line is accounted for.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    screen = console()
    display: Display = (LiveDisplay if screen.is_terminal else PlainDisplay)(screen, place.clock)
    given: DemoInput
    if config is None:
        given = Replay(log or EXAMPLE, rebase is not None, speed if log or speed else EXAMPLE_SPEED)
    elif log or rebase or speed:
        raise SettingsError("--config replaces --log, --rebase and --speed")
    else:
        given = Feeds(config, seconds)
    given.check()
    java.find(place.environ)
    with place.state.exclusive():
        return Demo(place, display, screen, given).run()


@dataclass
class Demo:
    """One demo, from nothing to the verdict."""

    place: Place
    display: Display
    screen: Console
    given: DemoInput
    stack: Stack = field(init=False)
    producer: Producer = field(init=False)
    started: float = field(init=False)
    first_window: float | None = None
    ends_at: float | None = None
    failure: str | None = None
    filled: list[WindowedOutput] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The stack tells its steps to the display."""
        stack = self.place.stack(self.display.say)
        self.stack = replace(stack, environ=_FOR_A_MINUTE | dict(stack.environ))
        self.producer = Producer(self.place.state)
        self.started = self.place.clock.monotonic()

    def run(self) -> int:
        """The exit code. Whatever happens, nothing is left running."""
        try:
            self._start()
            progress = self._watch()
            self.display.close()
            for line in self.producer.summary():
                self.display.say(line)
            good = self._conclude(progress)
        finally:
            self.display.close()
            self.stack.down(now=True)
        took = self.place.clock.monotonic() - self.started
        words = how_to_go_on(self.place.state.root, took, progress, self.filled, good=good)
        self.screen.print(words, soft_wrap=True, markup=False)
        return GOOD if good else FAILED

    def _start(self) -> None:
        state = self.place.state
        if state.run.exists():
            self.display.say("removing what the former stack left")
            self.stack.down(now=True)
        state.wipe()
        self.stack.start_services()
        for name in (DESK, ARCHIVE, JOB):  # KCL takes longest, and is awaited at the end
            self.stack.workers.start(name)
        self.stack.workers.wait(JOB)
        self.display.say(f"producer: {self.given.title}")
        port = ports.choose(0)
        environ = self.stack.child_environ() | {"HEADRACE_HEALTH_PORT": str(port)}
        processes.start(state, PRODUCER, self.given.command(), environ, port=port)

    def _watch(self) -> Progress:
        """Show how the windows fill until all is in, or nothing moves any more."""
        clock, last, moved, sent = self.place.clock, Progress(), self.place.clock.monotonic(), 0
        watched = [OUTPUTS[name] for name in self.given.watched]
        while clock.monotonic() - moved < self._patience():
            self.stack.workers.check(JOB)
            self.producer.ask()
            producing = self._producing()
            try:
                progress, found = demo_progress.read(self._warehouse(), watched)
            except WarehouseUnavailable:
                clock.sleep(_POLL)
                continue
            sent = max(sent, progress.sent, self.producer.sent)
            progress = replace(progress, sent=sent)
            self._note_first_window(progress)
            self.display.show(progress, found, counts(self.producer.inputs))
            if progress.complete and not producing:
                return progress
            if progress != last or producing:
                last, moved = progress, clock.monotonic()
            clock.sleep(_POLL)
        self.display.say("nothing moves any more")
        return last

    def _producing(self) -> bool:
        """Whether the producer runs. One that failed may have sent something: that is let in, and shown."""
        state, now = self.place.state, self.place.clock.monotonic()
        if processes.find(state, PRODUCER) is not None:
            if self.ends_at is None and self.given.seconds is not None and self.producer.inputs:
                self.ends_at = now + self.given.seconds
            for problem in self.producer.new_problems():
                self.display.say(problem)
            if self.ends_at is None or now < self.ends_at:
                return True
            self.display.say("producer: stopping, once all that was read is sent")
            processes.stop(state, PRODUCER, self.place.clock)
        if self.failure is None and (code := processes.exit_code(state, PRODUCER)):
            self.failure = f"the producer failed (exit code {code}), {processes.last_words(state, PRODUCER)}"
            self.display.say(self.failure)
        return False

    def _patience(self) -> float:
        """Seconds without a change after which no more is expected, once the producer has ended."""
        hopeless = self.failure is not None or (self.ends_at is not None and not self.producer.gave)
        return _GIVE_UP_SECONDS if hopeless else _STALL_SECONDS

    def _note_first_window(self, progress: Progress) -> None:
        if self.first_window is None and progress.windows:
            self.first_window = self.place.clock.monotonic() - self.started
            self.display.say(f"first window on screen after {self.first_window:.0f} s")

    def _conclude(self, progress: Progress) -> bool:
        """Print the last windows and the proof; whether every record is accounted for."""
        lake = self._archive()
        check = ArchiveCheck(EventsArchive(lake), _ARCHIVE_SECONDS)
        report = reconcile(self._url(), self.place.clock, wait=_ARRIVE_SECONDS, check=check)
        if not report.sources:
            self.screen.print("Nothing was sent, so there is nothing to prove.")
            return False
        self._wait_for_the_rest()
        warehouse = self._warehouse()
        found = newest(warehouse, list(OUTPUTS.values()), 8)
        rejects = rejects_table(warehouse.read(REJECTS)[0])
        last = [each for each in found if each.rows]
        self.filled = [each.output for each in last]
        explained = Text(lateness(progress, self.given.remedy))
        objects = objects_table(lake.bucket, lake.list(""))
        self.screen.print(Group(*map(table, last), explained, objects, rejects, draw(report, every=True)))
        return report.balanced and self.failure is None

    def _wait_for_the_rest(self) -> None:
        """Let the archive and the error desk come to the end of the streams, as long as they may take."""
        deadline, said = self.place.clock.monotonic() + _ARRIVE_SECONDS, ""
        while (name := self.stack.behind()) is not None:
            title = WORKERS[name].title
            self.stack.workers.check(name)
            if title != said:
                self.display.say(f"letting the {title} read everything")
                said = title
            if self.place.clock.monotonic() > deadline:
                self.display.say(f"the {title} is not at the end yet")
                return
            self.place.clock.sleep(_POLL)

    def _archive(self) -> Lake:
        environ = self.stack.child_environ()
        return open_lake(environ["HEADRACE_ARCHIVE_BUCKET"], environ)

    def _warehouse(self) -> Reader:
        return open_analyst(self._url(), self.place.clock, self.place.environ)

    def _url(self) -> str:
        database = processes.find(self.place.state, postgres.NAME)
        if database is None:
            raise LocalStackFailed(
                "PostgreSQL ended: " + processes.last_words(self.place.state, postgres.NAME)
            )
        return postgres.url(self.place.state, database)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
