"""Numbers lines and decides their fate: a record, or a reject in its place, under the number it has taken."""

from headrace.ops.clock import Clock
from headrace.schemas.codec import FieldError, RejectCode, Rejection, Stage, encode, reject_event
from headrace.schemas.records.reject import MAX_RAW_BYTES, Reject
from producers.line_format import Seal
from producers.quarantine import Kept, Quarantine
from producers.reading.source import MAX_LINE_BYTES, Chunk
from producers.spool.spool import Spool

LARGEST_RECORD_BYTES = (1 << 20) - 1024
"""A record of Kinesis is 1 MiB at most, its partition key (256 characters) included."""


class Intake:
    """Puts the lines of a source into a spool."""

    def __init__(
        self, spool: Spool, seal: Seal, quarantine: Quarantine, clock: Clock, record_type: str | None
    ) -> None:
        self._spool = spool
        self._seal = seal
        self._quarantine = quarantine
        self._clock = clock
        self._record_type = record_type
        self.accepted = 0
        self.rejected = 0

    def take(self, chunk: Chunk) -> None:
        """Number and append all lines of a chunk. Raises SpoolFull: none was taken, try again."""
        life = self._spool.life()
        seal, source, number = self._seal, life.source, life.next_number
        records: list[bytes] = []
        rejected = 0
        for line in chunk.lines:
            fate = self._too_large(line) if isinstance(line, Kept) else seal(line, source, number)
            if not isinstance(fate, bytes):
                rejected += 1
                fate = self._reject(fate, source, number)
            elif len(fate) > LARGEST_RECORD_BYTES and isinstance(line, bytes):
                rejected += 1
                fate = self._reject(self._outgrown(line), source, number)
            records.append(fate)
            number += 1
        life.append(chunk.input, chunk.places, records)
        self.accepted += len(records) - rejected
        self.rejected += rejected

    def _reject(self, fate: Rejection | Reject, source: str, number: int) -> bytes:
        now = self._clock.now()
        if isinstance(fate, Reject):
            return encode(source, number, now, fate)
        place = self._quarantine.keep(fate.raw).place if len(fate.raw) > MAX_RAW_BYTES else None
        return reject_event(fate, stage=Stage.PRODUCER, source=source, sequence=number, time=now, place=place)

    def _too_large(self, line: Kept) -> Reject:
        """The reject of a line that is in quarantine."""
        return Reject(
            id=line.reject_id,
            stage=Stage.PRODUCER.value,
            code=RejectCode.TOO_LARGE.value,
            errors=[FieldError("$", f"a line of {line.length} bytes, of which {MAX_LINE_BYTES} are allowed")],
            raw=line.head,
            raw_length=line.length,
            raw_sha256=line.sha256,
            raw_place=line.place,
            record_type=self._record_type,
        )

    def _outgrown(self, line: bytes) -> Rejection:
        """A line that fits, but whose record does not."""
        return Rejection(
            code=RejectCode.TOO_LARGE,
            errors=(FieldError("$", f"its record has more than {LARGEST_RECORD_BYTES} bytes"),),
            raw=line,
            record_type=self._record_type,
        )
