"""Numbers lines and decides their fate: a record, or a reject in its place, under the number it has taken."""

from collections.abc import Callable
from itertools import count, repeat
from typing import cast

from headrace.kinesis.messages import LONGEST_KEY_BYTES, MAX_RECORD_BYTES
from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.schemas.codec import FieldError, RejectCode, Rejection, Stage, encode, reject_event
from headrace.schemas.records.reject import MAX_RAW_BYTES, Reject
from producers.line_format import Seal
from producers.passing import borne
from producers.quarantine import Kept, Quarantine
from producers.reading.source import MAX_LINE_BYTES, Chunk
from producers.spool.spool import Spool

_SPOOL_HOLDS = 4  # of the largest record, so that it can never wait for room in vain


class Intake:
    """Puts the lines of a source into a spool."""

    def __init__(
        self,
        spool: Spool,
        seal: Seal,
        quarantine: Quarantine,
        clock: Clock,
        record_type: str | None,
        *,
        largest: Callable[[], int] = lambda: MAX_RECORD_BYTES - LONGEST_KEY_BYTES,
        name: str = "",
        numbered: bool = True,
    ) -> None:
        """`largest` is how many bytes a record may have that the stream takes; it may change.

        `name` is the input's, for the metrics. Not `numbered`: the records bear their own source and number.
        """
        self._spool = spool
        self._seal = seal
        self._quarantine = quarantine
        self._clock = clock
        self._record_type = record_type
        self._largest = largest
        self._numbered = numbered
        self.accepted = 0
        self.rejected = 0
        received = metrics.USER_RECORDS_RECEIVED
        self._received = [received.labels(input=name, fate=fate) for fate in ("record", "reject")]

    def take(self, chunk: Chunk) -> None:
        """Number and append all lines of a chunk. Raises SpoolFull: none was taken, try again."""
        life = self._spool.life()
        source, first = life.source, life.next_number
        largest = min(self._largest(), self._spool.budget.allowed // _SPOOL_HOLDS)
        fate_of = self._fate if Kept in set(map(type, chunk.lines)) else self._seal
        fates = list(map(fate_of, chunk.lines, repeat(source), count(first)))  # type: ignore[arg-type]
        records, rejected = cast("list[bytes]", fates), 0
        if set(map(type, fates)) != {bytes} or max(map(len, records)) > largest:
            final = self._final
            records = [
                final(line, fate, source, number, largest)
                for number, (line, fate) in enumerate(zip(chunk.lines, fates, strict=True), first)
            ]
            rejected = sum(record is not fate for record, fate in zip(records, fates, strict=True))
        life.append(chunk.input, chunk.places, records)
        self.accepted += len(records) - rejected
        self.rejected += rejected
        for counter, grown in zip(self._received, (len(records) - rejected, rejected), strict=True):
            counter.inc(grown)

    def _fate(self, line: bytes | Kept, source: str, number: int) -> bytes | Rejection | Reject:
        return self._too_large(line) if isinstance(line, Kept) else self._seal(line, source, number)

    def _final(
        self, line: bytes | Kept, fate: bytes | Rejection | Reject, source: str, number: int, largest: int
    ) -> bytes:
        """The record, or the reject in its place."""
        if not isinstance(fate, bytes):
            return self._reject(fate, source, number)
        if len(fate) > largest and isinstance(line, bytes):
            place = (source, number) if self._numbered else borne(fate)
            return self._reject(self._outgrown(line, len(fate), largest), *place)
        return fate

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

    def _outgrown(self, line: bytes, size: int, largest: int) -> Rejection:
        """A line whose record is larger than the stream takes, or a fourth of the spool."""
        return Rejection(
            code=RejectCode.TOO_LARGE,
            errors=(FieldError("$", f"its record has {size} bytes, of which {largest} are allowed"),),
            raw=line,
            record_type=self._record_type,
        )
