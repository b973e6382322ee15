"""The records of a smoke test: one source of its own, and a row of its own in the windows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headrace.errors import KinesisUnavailable
from headrace.kinesis.messages import PutEntry
from headrace.kinesis.port import Kinesis
from headrace.ops.clock import Clock
from headrace.schemas.codec import encode
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.records.wiki_edit import WikiEdit
from headrace.schemas.records.wiki_edit_outputs import WIKI_EDITS_1M

COUNT = 100
OUTPUT = WIKI_EDITS_1M.name
WIKI = "headrace_smoke"
"""No wiki's name: the records swell no row but their own."""

_BACK_OFF_SECONDS = 0.5


@dataclass(frozen=True)
class SmokeRecords:
    """`number` is of this run alone, 26 characters; all records are of one instant, so of one window."""

    number: str
    time: datetime

    @property
    def source(self) -> str:
        """Whose records they are."""
        return f"smoke/{self.number}"

    @property
    def window_start(self) -> datetime:
        """The start of the one window that they are in."""
        midnight = self.time.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + (self.time - midnight) // WIKI_EDITS_1M.every * WIKI_EDITS_1M.every

    def entries(self) -> list[PutEntry]:
        """The numbered records, and the source's word that there are no more."""
        records = [
            encode(self.source, number, self.time, self._edit(number)) for number in range(1, COUNT + 1)
        ]
        status = ProducerStatus(spooled=COUNT, acknowledged=COUNT, closed=True)
        after = self.time + timedelta(microseconds=1)
        keyed = [(record, f"{self.number}-{place}") for place, record in enumerate(records)]
        return [PutEntry(*one) for one in [*keyed, (encode(self.source, None, after, status), self.source)]]

    def _edit(self, number: int) -> WikiEdit:
        return WikiEdit(event_id=f"{self.source}/{number}", wiki=WIKI, kind=self.number)


def send(kinesis: Kinesis, stream: str, entries: list[PutEntry], clock: Clock, *, until: float) -> None:
    """Put every entry, those that fail again, until the clock's `until`.

    A copy that comes of it does no harm: the ledger drops it. Raises KinesisUnavailable when the time is up.
    """
    waiting = entries
    while waiting:
        problem: Exception | None = None
        try:
            results = kinesis.put_records(stream, waiting)
            waiting = [
                entry for entry, result in zip(waiting, results, strict=True) if result.error_code is not None
            ]
        except KinesisUnavailable as error:
            problem = error
        if waiting and clock.monotonic() > until:
            raise KinesisUnavailable(f"{stream} took not all of {len(entries)} records in time") from problem
        if waiting:
            clock.sleep(_BACK_OFF_SECONDS)
