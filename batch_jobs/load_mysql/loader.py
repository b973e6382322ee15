"""Loads partitions into MySQL, each exactly once, whatever is cut off, repeated or delivered anew.

A partition's rows go in beside its table, in chunks on several connections; once all are in and counted, they
take the place of the partition. Each chunk is written down in the transaction that brings it in.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from pymysql.cursors import Cursor

from batch_jobs.load_mysql import ledger
from batch_jobs.load_mysql.address import Address
from batch_jobs.load_mysql.bringing import Bringing, patiently
from batch_jobs.load_mysql.chunks import plan, read
from batch_jobs.load_mysql.ledger import Load
from batch_jobs.load_mysql.partitions import Partitions
from batch_jobs.load_mysql.session import Session
from batch_jobs.load_mysql.staging import Stage
from batch_jobs.load_warehouse import data_files
from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from headrace.errors import BatchBusy
from headrace.ops.clock import Clock
from headrace.schemas.tables import Table

_LOCK_SECONDS = 10


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a partition; `already`: the table held it before."""

    table: str
    vintage: str
    input_name: str
    rows: int
    already: bool


class Loader:
    """Loads over a number of connections at a time, and one more that keeps the ledger."""

    def __init__(
        self,
        address: Address,
        storage: Storage,
        clock: Clock,
        *,
        connections: int = 2,
        advance: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        """`advance` is told the number of rows of every chunk that is in, also when it was before."""
        self._address, self._storage, self._clock = address, storage, clock
        self._connections, self._advance = connections, advance
        self._session = Session(address)

    def close(self) -> None:
        """Drop the connection that keeps the ledger."""
        self._session.close()

    def load(self, table: Table, key: Sequence[str], output: Output, *, again: bool = False) -> Loaded:
        """Load a partition unless its table holds it; with `again` even then. Safe to repeat whole.

        Raises:
            LoadMismatch: what MySQL would hold is not what the files hold; the partition is as it was.
            StorageUnusable: a file cannot be read.
            BatchBusy: another load of this table runs.
            DatabaseUnavailable: MySQL gave no answer for all the patience.
            DatabaseRefused: it does not take the settings, the statement or the rows.
        """
        return patiently(self._clock, lambda: self._load(table, key, output, again=again))

    def _load(self, table: Table, key: Sequence[str], output: Output, *, again: bool) -> Loaded:
        partitions = Partitions(table, key)
        with self._session.cursor() as cursor, _alone(cursor, self._address, table):
            ledger.prepare(cursor)
            partitions.prepare(cursor, output.vintage)
            held = ledger.loaded(cursor, table.name, output.vintage)
            if held is not None and held.input_sha256 == output.input_sha256 and not again:
                partitions.drop_beside(cursor, held.load_id)
                self._advance(output.rows)
                return _told(output, already=True)
            data_files.check(self._storage, table, output)
            load = self._resume_or_begin(cursor, partitions, output)
            missing = set(plan(output)) - ledger.chunks(cursor, load)
            self._advance(output.rows - sum(chunk.row_count for chunk in missing))
            stage = Stage(table, key, output.vintage)
            bringing = Bringing(self._address, stage, load, partitions.beside(load.load_id), self._clock)
            bringing.run(read(self._storage, table, output, missing), self._connections, self._advance)
            partitions.swap(cursor, output.vintage, load.load_id, output.rows)
            cursor.execute("START TRANSACTION")
            ledger.finish(cursor, load, self._clock.now())
            cursor.execute("COMMIT")
            partitions.drop_beside(cursor, load.load_id)
        return _told(output, already=False)

    def _resume_or_begin(self, cursor: Cursor, partitions: Partitions, output: Output) -> Load:
        """The broken-off load of the same input, when it fits the files; else a new one."""
        found = ledger.unfinished(cursor, output.table, output.vintage)
        if found is not None:
            same = found.input_sha256 == output.input_sha256 and partitions.is_beside(cursor, found.load_id)
            if same and ledger.chunks(cursor, found) <= set(plan(output)):
                return found
            partitions.drop_beside(cursor, found.load_id)
            ledger.discard(cursor, found)
        load = ledger.begin(cursor, output, self._clock.now())
        partitions.make_beside(cursor, load.load_id)
        return load


@contextmanager
def _alone(cursor: Cursor, address: Address, table: Table) -> Iterator[None]:
    """Keep other loads of the table out. Raises BatchBusy."""
    named = f"{address.database}.{table.name}"
    lock = f"headrace_{hashlib.sha256(named.encode()).hexdigest()[:32]}"
    cursor.execute("SELECT GET_LOCK(%s, %s)", [lock, _LOCK_SECONDS])
    if cursor.fetchone() != (1,):
        raise BatchBusy(f"another load of {named} runs: let it finish, or end it, and try again.")
    yield
    cursor.execute("DO RELEASE_LOCK(%s)", [lock])


def _told(output: Output, *, already: bool) -> Loaded:
    return Loaded(
        table=output.table,
        vintage=output.vintage,
        input_name=output.input_name,
        rows=output.rows,
        already=already,
    )
