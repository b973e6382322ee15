"""Chunks on their way into the table beside, on several connections at a time."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import TypeVar

import pyarrow as pa
import pymysql

from batch_jobs.load_mysql import ledger
from batch_jobs.load_mysql.address import Address
from batch_jobs.load_mysql.fates import DUPLICATE_KEY, number_of
from batch_jobs.load_mysql.ledger import Chunk, Load
from batch_jobs.load_mysql.session import Session
from batch_jobs.load_mysql.staging import Stage
from headrace.errors import DatabaseUnavailable
from headrace.ops.clock import Clock

ATTEMPTS = 5
T = TypeVar("T")


class Bringing:
    """Brings the chunks of one load into the table called `into`."""

    def __init__(self, address: Address, stage: Stage, load: Load, into: str, clock: Clock) -> None:
        self._address, self._stage, self._load, self._into = address, stage, load, into
        self._clock = clock

    def run(
        self, chunks: Iterator[tuple[Chunk, pa.Table]], connections: int, advance: Callable[[int], None]
    ) -> None:
        """Bring all in; `advance` is told the rows of each. The first error ends it all."""
        sessions: SimpleQueue[Session] = SimpleQueue()
        for _ in range(connections):
            sessions.put(Session(self._address))

        def bring(chunk: Chunk, lines: memoryview) -> None:
            session = sessions.get()
            try:
                patiently(self._clock, lambda: self._bring(session, chunk, lines))
            finally:
                sessions.put(session)
            advance(chunk.row_count)

        try:
            with ThreadPoolExecutor(connections) as pool:
                # Made into text here, while the server is busy with the chunks before.
                texts = ((chunk, self._stage.lines(rows)) for chunk, rows in chunks)
                _all(pool, bring, texts, at_once=connections + 1)
        finally:
            while not sessions.empty():
                sessions.get().close()

    def _bring(self, session: Session, chunk: Chunk, lines: memoryview) -> None:
        """Bring one chunk in, unless it is: the answer to a COMMIT may have been lost."""
        with session.cursor() as cursor:
            self._stage.fill(cursor, lines, chunk.row_count)
            self._stage.check(cursor)
            cursor.execute("START TRANSACTION")
            try:
                ledger.claim(cursor, self._load, chunk)
            except pymysql.IntegrityError as error:
                if number_of(error) != DUPLICATE_KEY:
                    raise
                cursor.execute("ROLLBACK")
                return
            self._stage.insert(cursor, self._into, self._load.load_id, chunk.row_count)
            cursor.execute("COMMIT")


def patiently(clock: Clock, work: Callable[[], T]) -> T:
    """Do it; a server that gives no answer is asked anew, a few times."""
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except DatabaseUnavailable:
            clock.sleep(0.5 * 2.0**attempt)
    return work()


def _all(
    pool: ThreadPoolExecutor,
    bring: Callable[[Chunk, memoryview], None],
    chunks: Iterator[tuple[Chunk, memoryview]],
    *,
    at_once: int,
) -> None:
    pending: set[Future[None]] = set()
    try:
        for chunk, lines in chunks:
            pending.add(pool.submit(bring, chunk, lines))
            if len(pending) == at_once:
                pending = _settle(pending)
        while pending:
            pending = _settle(pending)
    finally:
        for future in pending:
            future.cancel()


def _settle(pending: set[Future[None]]) -> set[Future[None]]:
    """Wait for one to end; what it raised is raised."""
    done, left = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return left
