"""Loads partitions into the warehouse, each exactly once, whatever is cut off, repeated or delivered anew.

Two transactions per partition, each with its row in a ledger: first its rejects, under `writer_lock` and for
a moment; then its rows, under a lock of their own, because they take minutes and nobody else writes them.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec
import pyarrow as pa

from batch_jobs.load_warehouse import copy_manifest, data_files, error_files
from batch_jobs.load_warehouse.staging import Stage
from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from headrace.errors import LoadMismatch, WarehouseUnavailable
from headrace.ops.clock import Clock
from headrace.schemas.loan_tables import LOAN_KEYS, LOAN_TABLES
from headrace.schemas.tables import Table
from headrace.warehouse import batch_writer, partition_sql
from headrace.warehouse.probe import AFTER_COMMIT, AFTER_STAGE, BEFORE_COMMIT, BEFORE_STAGE, Probe, no_probe
from headrace.warehouse.session import Cursor
from headrace.warehouse.system_tables import LOCK_WRITERS

ATTEMPTS = 5


class Transactions(Protocol):
    """A connection, as `headrace.warehouse.session.Session` is one."""

    def transaction(self) -> AbstractContextManager[Cursor]:
        """A cursor in a transaction: committed at the end of the block, rolled back by any exception."""
        ...


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a partition; `already`: the table held it before."""

    table: str
    vintage: str
    input_name: str
    rows_in: int
    rows: int
    rejected: int
    already: bool


class Loader:
    """Loads through one connection; for one thread at a time."""

    def __init__(
        self, session: Transactions, storage: Storage, clock: Clock, stage: Stage, *, probe: Probe = no_probe
    ) -> None:
        self._session = session
        self._storage = storage
        self._clock = clock
        self._stage = stage
        self._probe = probe

    def load(self, output: Output, *, again: bool = False) -> Loaded:
        """Load a partition unless its table holds it; with `again` even then. Safe to repeat whole.

        A warehouse that gives no answer is asked anew, a few times.

        Raises:
            LoadMismatch: a file is not what its manifest or its table says; nothing of it was loaded.
            StorageUnusable: a file cannot be read.
            WarehouseUnavailable: the warehouse gave no answer for all the patience.
            WarehouseRefused: it does not take the rows.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._load(output, again=again)
            except WarehouseUnavailable:
                if attempt == ATTEMPTS:
                    raise
                self._clock.sleep(2.0**attempt)
        raise AssertionError

    def _load(self, output: Output, *, again: bool) -> Loaded:
        table = LOAN_TABLES[output.table]
        if not again:
            with self._session.transaction() as cursor:
                if _holds(cursor, output):
                    return _loaded(output, already=True)
        data_files.check(self._storage, table, output)
        self._merge_rejects(output)
        manifest = copy_manifest.write(self._storage, output)
        with self._session.transaction() as cursor:
            cursor.execute(partition_sql.LOCK_BATCH)
            if not again and _holds(cursor, output):
                return _loaded(output, already=True)
            self._probe(BEFORE_STAGE)
            self._stage(cursor, table, partition_sql.stage_name(table), manifest)
            self._probe(AFTER_STAGE)
            _check_staged(cursor, table, output)
            _swap(cursor, table, output.vintage)
            self._book(cursor, output)
            self._probe(BEFORE_COMMIT)
        self._probe(AFTER_COMMIT)
        return _loaded(output, already=False)

    def _merge_rejects(self, output: Output) -> None:
        """Merge an input's rejects, once for all time: its table may well hold another input in between."""
        if not output.error_files:
            return
        with self._session.transaction() as cursor:
            cursor.execute(LOCK_WRITERS)
            cursor.execute(partition_sql.REJECTS_MERGED, [output.input_sha256])
            if cursor.fetchone() is not None:
                return
            batch_writer.merge_rejects_in_parts(cursor, self._rejects(output))
            now, rejected = self._clock.now(), sum(output.rejected.values())
            cursor.execute(
                partition_sql.BOOK_REJECTS, [output.input_sha256, output.input_name, rejected, now]
            )

    def _rejects(self, output: Output) -> Iterator[pa.Table]:
        lines = 0
        for part in error_files.parts(self._storage, output.error_files):
            lines += sum(part["seen"].to_pylist())
            yield part
        if lines != (rejected := sum(output.rejected.values())):
            raise LoadMismatch(
                f"{self._storage.place(output.folder)}: its error files hold {lines:,} rejects, "
                f"the manifest says {rejected:,}"
            )

    def _book(self, cursor: Cursor, output: Output) -> None:
        cursor.execute(partition_sql.FORGET_LOAD, [output.table, output.vintage])
        cursor.execute(
            partition_sql.BOOK_LOAD,
            [
                output.table,
                output.vintage,
                output.input_name,
                output.input_sha256,
                output.rows_in,
                output.rows,
                sum(output.rejected.values()),
                self._clock.now(),
            ],
        )


def _holds(cursor: Cursor, output: Output) -> bool:
    """Whether the table holds this input. Raises LoadMismatch when it has another result by now."""
    cursor.execute(partition_sql.LOADED, [output.table, output.vintage])
    row = cursor.fetchone()
    if row is None or row[0] != output.input_sha256:
        return False
    if row[1:] != (output.rows_in, output.rows):
        raise LoadMismatch(
            f"{output.table} {output.vintage}: {row[2]} rows of {output.input_name} are loaded, and its "
            f"partition has {output.rows} now: `--again` puts them in their place"
        )
    return True


def _check_staged(cursor: Cursor, table: Table, output: Output) -> None:
    """Nothing lost or added on the way, no row of another vintage, no key twice. Raises LoadMismatch."""
    what = f"{output.table} {output.vintage}"
    cursor.execute(partition_sql.totals(table))
    count, first, last = cursor.fetchone() or (0, None, None)
    if count != output.rows:
        raise LoadMismatch(f"{what}: {count} rows were staged, the manifest says {output.rows}")
    if count and (first, last) != (output.vintage, output.vintage):
        raise LoadMismatch(f"{what}: there are rows of the vintages {first} to {last} in its files")
    cursor.execute(partition_sql.repeated(table, LOAN_KEYS[table.name]))
    if twice := cursor.fetchall():
        named = "; ".join(", ".join(map(str, key)) for key in twice)
        raise LoadMismatch(f"{what}: more than one row has the key {named}")


def _swap(cursor: Cursor, table: Table, vintage: str) -> None:
    cursor.execute(partition_sql.clear(table), [vintage])
    cursor.execute(partition_sql.fill(table))


def _loaded(output: Output, *, already: bool) -> Loaded:
    return Loaded(
        table=output.table,
        vintage=output.vintage,
        input_name=output.input_name,
        rows_in=output.rows_in,
        rows=output.rows,
        rejected=sum(output.rejected.values()),
        already=already,
    )
