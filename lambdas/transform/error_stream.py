"""Puts parcels to the stream `errors`: in batches, the failed ones again, within the time that is left.

Imported only when there is something to put: botocore costs a cold function as much as all the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from aws_lambda_powertools import Logger

from headrace.errors import HeadraceError, RetryError
from headrace.kinesis.faults import FATES
from headrace.kinesis.messages import MAX_PUT_RECORDS, USUAL_RECORD_BYTES, PutEntry
from headrace.kinesis.port import Kinesis
from lambdas.transform.rejects import Parcel
from lambdas.transform.report import SERVICE

MAX_REQUEST_BYTES = 5 << 20
"""Of data and keys; Kinesis itself takes 10 MiB by now, other implementations do not."""

CONNECT_SECONDS, READ_SECONDS = 1.0, 5.0
_MARGIN_MS = 2_000  # to answer Firehose
_LONGEST_CALL_MS = round((CONNECT_SECONDS + READ_SECONDS) * 1000)
_PATIENCE_MS = 20_000  # beyond, the archive's good records wait too long for the rejects
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 2.0

_logger = Logger(service=SERVICE)


class ErrorStream:
    """Takes parcels; one that is put twice is folded by its id downstream."""

    def __init__(
        self, kinesis: Kinesis, stream: str, sleep: Callable[[float], None], draw: Callable[[], float]
    ) -> None:
        """`draw` gives numbers in [0, 1), for the back-off."""
        self._kinesis = kinesis
        self._stream = stream
        self._sleep = sleep
        self._draw = draw

    def put(self, parcels: Sequence[Parcel], remaining_ms: Callable[[], int]) -> list[bool]:
        """Whether each was taken; `remaining_ms`: how long the function may still run. It never raises."""
        entries = [PutEntry(data=parcel.data, partition_key=parcel.key) for parcel in parcels]
        taken = [False] * len(entries)
        stop_at = max(_MARGIN_MS, remaining_ms() - _PATIENCE_MS) + _LONGEST_CALL_MS
        pending = [at for at, entry in enumerate(entries) if entry.size <= USUAL_RECORD_BYTES]
        wait = _FIRST_WAIT_SECONDS
        while pending:
            again: list[int] = []
            for batch in _batches(pending, entries):
                if remaining_ms() < stop_at:
                    return taken
                again += self._attempt(batch, entries, taken)
            pending = again
            if pending:
                self._sleep(self._draw() * wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
        return taken

    def _attempt(self, batch: list[int], entries: Sequence[PutEntry], taken: list[bool]) -> list[int]:
        """One call; marks what was taken and returns what may be tried again."""
        try:
            results = self._kinesis.put_records(self._stream, [entries[at] for at in batch])
        except RetryError as error:
            _logger.warning("rejects were not put", stream=self._stream, error=str(error))
            return batch
        except HeadraceError as error:  # the same call will be refused again
            _logger.error("rejects were not put", stream=self._stream, error=str(error))  # noqa: TRY400  told
            return []
        again = []
        for at, result in zip(batch, results, strict=True):
            if result.error_code is None:
                taken[at] = True
            elif issubclass(FATES.get(result.error_code, RetryError), RetryError):
                again.append(at)
        return again


def _batches(pending: Iterable[int], entries: Sequence[PutEntry]) -> Iterator[list[int]]:
    """In their order, within the limits of a request."""
    batch: list[int] = []
    size = 0
    for at in pending:
        if batch and (len(batch) == MAX_PUT_RECORDS or size + entries[at].size > MAX_REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(at)
        size += entries[at].size
    if batch:
        yield batch
