"""`headrace smoke`: a deployed stage proves that it works, from a put to a balanced account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import click

from cli.exit_codes import FAILED, GOOD
from cli.place import Place, tell
from cli.smoke_records import COUNT, OUTPUT, WIKI, SmokeRecords, send
from cli.staged import environ_of, stage_option
from cli.streams import as_own
from headrace.errors import RetryError, SettingsError
from headrace.kinesis.client import connect
from headrace.ops.clock import Clock, new_ulid
from headrace.schemas.targets.sql import quote
from headrace.warehouse.operators import open_analyst
from headrace.warehouse.reader import Statement
from headrace.warehouse.reconcile import reconcile

wait_option = click.option(
    "--wait",
    default=300.0,
    show_default=True,
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="How long the smoke test may take.",
)
_POLL_SECONDS, _FAR_POLL_SECONDS = 0.5, 3.0


@click.command(epilog="Example: headrace smoke --stage prod")
@stage_option
@wait_option
@click.pass_obj
def command(place: Place, name: str, wait: float) -> int:
    """Send records of one source, see their window in the warehouse, and reconcile that source.

    The source is `smoke/<id>`; its records have a row of their own in the windows of `wiki_edits_1m`. Exit
    code 0: all is well; 1: not within the time.
    """
    return smoke(place, environ_of(place, name), wait=wait)


def smoke(place: Place, environ: Mapping[str, str], *, wait: float) -> int:
    """Run the test on what `environ` leads to; the exit code."""
    url = environ.get("HEADRACE_WAREHOUSE_URL")
    if url is None:
        raise SettingsError("this stage has no warehouse, in which a window could be seen.")
    records = SmokeRecords(new_ulid(place.clock), place.clock.now())
    test = SmokeTest(records, environ, url, place.clock, place.clock.monotonic() + wait)
    for said, step in (
        (f"sent {COUNT} records of {records.source}", test.send),
        (f"seen in {OUTPUT}, window {records.window_start:%H:%M}", test.sees_window),
        ("reconciled: every record is counted, once", test.is_reconciled),
    ):
        started = place.clock.monotonic()
        if not step():
            tell(f"smoke test failed: not {said}, within {wait:.0f} s; {test.problem}")
            return FAILED
        tell(f"smoke: {said} ({place.clock.monotonic() - started:.1f} s)")
    return GOOD


@dataclass
class SmokeTest:
    """One run; `until` is the clock's time by which it must be over, `problem` what was seen last."""

    records: SmokeRecords
    environ: Mapping[str, str]
    url: str
    clock: Clock
    until: float
    problem: str = "nothing was seen"

    def send(self) -> bool:
        """Put the records. Raises KinesisUnavailable, KinesisRefused."""
        with as_own(self.environ):
            kinesis = connect(self.clock)
            try:
                stream = self.environ["HEADRACE_STREAM"]
                send(kinesis, stream, self.records.entries(), self.clock, until=self.until)
            finally:
                kinesis.close()
        return True

    def sees_window(self) -> bool:
        """Whether all records come to be in their window."""
        return self._comes(self._counted_in_window)

    def is_reconciled(self) -> bool:
        """Whether the source comes to be balanced, with each of its records counted."""
        return self._comes(self._balanced)

    def _comes(self, seen: Callable[[], bool]) -> bool:
        near = urlsplit(self.url).hostname in ("127.0.0.1", "localhost")
        while True:
            try:
                if seen():
                    return True
            except RetryError as error:
                self.problem = str(error)
            if self.clock.monotonic() > self.until:
                return False
            self.clock.sleep(_POLL_SECONDS if near else _FAR_POLL_SECONDS)

    def _counted_in_window(self) -> bool:
        asked = Statement(
            f"SELECT SUM(records) FROM {quote(OUTPUT)} WHERE wiki = %s AND kind = %s AND window_start = %s",  # noqa: S608
            [WIKI, self.records.number, self.records.window_start],
        )
        reader = open_analyst(self.url, self.clock, self.environ)
        try:
            ((found,),) = reader.read(asked)[0].rows
        finally:
            reader.close()
        self.problem = f"the window holds {found or 0} of {COUNT} records"
        return found is not None and int(str(found)) == COUNT

    def _balanced(self) -> bool:
        report = reconcile(self.url, self.clock, environ=self.environ)
        mine = [line for line in report.sources if line.source == self.records.source]
        if not mine:
            self.problem = "the source is not in the books"
            return False
        line = mine[0]
        self.problem = (
            f"{line.counted} are counted, {line.rejected} rejected, {line.missing} missing, "
            f"{line.in_flight} in flight"
        )
        return line.balanced and line.closed and line.counted == COUNT
