"""One transaction per batch into the warehouse, guarded by lock, epoch, version and batch row."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from headrace.errors import BatchMismatch, FencedOut, LedgerMoved, SchemaMismatch
from headrace.ops.clock import Clock
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.tables import MAX_TEXT_BYTES
from headrace.warehouse import batch_writer, births, breaker
from headrace.warehouse.batch import (
    BREAKER_SHARE,
    BatchId,
    Committed,
    Exclusions,
    Fold,
    FoldedBatch,
    ShardProgress,
    TypeShare,
)
from headrace.warehouse.ledger import check_refold, exclusions, highest, replayed, settled
from headrace.warehouse.ledger_store import Basis, LedgerStore, write_changes
from headrace.warehouse.opening import open_session
from headrace.warehouse.probe import (
    AFTER_COMMIT,
    AFTER_STAGE,
    BEFORE_COMMIT,
    BEFORE_STAGE,
    Probe,
    no_probe,
)
from headrace.warehouse.session import Cursor, Session
from headrace.warehouse.system_tables import LOCK_WRITERS


class Warehouse:
    """One connection to the tables, whichever engine they are on; for one thread at a time.

    Every call raises `WarehouseUnavailable` when the engine gives no answer, a deadlock or a
    serialization failure: nothing, or all of it, is then done, and the same call may be made again.
    """

    def __init__(
        self,
        session: Session,
        clock: Clock,
        *,
        breaker_share: float = BREAKER_SHARE,
        probe: Probe = no_probe,
    ) -> None:
        self._session = session
        self._clock = clock
        self._breaker_share = breaker_share
        self._probe = probe
        self._ledger = LedgerStore(self._session)
        self._outputs: Mapping[str, WindowedOutput] = {}

    def prepare(self, outputs: Sequence[WindowedOutput]) -> None:
        """See that every table is there; where the engine's tables are made by its writers, make them.

        Safe to repeat and to run twice at once. Raises `SchemaMismatch` when a table is missing, or exists
        with other columns.
        """
        self._session.prepare(outputs)
        self._outputs = {output.name: output for output in outputs}

    def take_epoch(self, stream: str) -> int:
        """Take the stream over: every commit under an older epoch fails from now on.

        Outputs that no job has written before are born here, with their type's count of the moment:
        no older job can add to that count any more.
        """
        now = self._clock.now()
        with self._session.transaction() as cursor:
            cursor.execute(LOCK_WRITERS)
            epoch = _epoch(cursor, stream) + 1
            cursor.execute("DELETE FROM epochs WHERE stream = %s", [stream])
            cursor.execute(
                "INSERT INTO epochs (stream, epoch, taken_at) VALUES (%s, %s, %s)", [stream, epoch, now]
            )
            births.update(cursor, self._outputs.values(), now)
        return epoch

    def progress(self, stream: str) -> list[ShardProgress]:
        """How far each shard has been committed."""
        with self._session.cursor() as cursor:
            return batch_writer.read_progress(cursor, stream)

    def commit(self, batch: BatchId, epoch: int, fold: Fold) -> Committed:
        """Put the batch into every table in one transaction, or find that it is there.

        `fold` runs at least once, outside the transaction, and again whenever the ledger asks for
        (other) exclusions. Safe to repeat whole, also when the reply to COMMIT was lost.

        Raises `FencedOut` (a newer epoch) and `BatchMismatch` (the batch id with other end positions).
        """
        with self._session.cursor() as cursor:
            is_in, version = _looked_up(cursor, batch, epoch)
        if is_in:
            return Committed(already=True)
        folded, left_out, refolds = fold(Exclusions()), Exclusions(), 0
        arrived = replace(folded, windows={}, parts={}, rejects=None)
        seen = highest(arrived)
        basis = self._ledger.read(seen, version)
        while True:
            wanted = exclusions(basis.ledger, arrived)
            if wanted != left_out:
                folded, left_out, refolds = fold(wanted), wanted, refolds + 1
                check_refold(arrived, wanted, folded)
            try:
                split = _Split(arrived, left_out, folded, seen, basis)
                return replace(self._write(batch, epoch, split), refolds=refolds)
            except LedgerMoved:
                basis = self._ledger.read(seen)

    def close(self) -> None:
        """Give the connection back; the next call opens another."""
        self._session.close()

    def _write(self, batch: BatchId, epoch: int, split: "_Split") -> Committed:
        now, folded, basis = self._clock.now(), split.folded, split.basis
        with self._session.transaction() as cursor:
            cursor.execute(LOCK_WRITERS)
            is_in, version = _looked_up(cursor, batch, epoch)
            if is_in:
                return Committed(already=True)
            if version != basis.version:
                basis = self._ledger.read_in(cursor, split.seen)
                split.check(basis)
            after = settled(basis.ledger, folded)
            self._probe(BEFORE_STAGE)
            batch_writer.stage_windows(cursor, self._outputs, folded, now)
            self._probe(AFTER_STAGE)
            batch_writer.merge_windows(cursor, self._outputs, folded)
            batch_writer.merge_rejects(cursor, folded.rejects)
            batch_writer.merge_types(cursor, folded.types)
            batch_writer.merge_sources(cursor, split.seen, replayed(basis.ledger, after), folded, now)
            batch_writer.merge_progress(cursor, batch.stream, folded.progress, now)
            batch_writer.merge_minutes(cursor, folded.minutes)
            shares = breaker.update(cursor, batch_writer.read_frontier(cursor), self._breaker_share)
            changed = write_changes(cursor, basis.ledger, after)
            committed = _committed(folded, shares)
            _insert_batch(cursor, batch, epoch, committed, now)
            self._probe(BEFORE_COMMIT)
        self._probe(AFTER_COMMIT)
        self._ledger.moved(basis.version + changed, after)
        return committed


@dataclass(frozen=True)
class _Split:
    """A batch and what of it is left out, by the ledger's state that it was split by."""

    arrived: FoldedBatch
    left_out: Exclusions
    folded: FoldedBatch
    seen: Mapping[str, int]
    basis: Basis

    def check(self, basis: Basis) -> None:
        """Whether another state would split it the same. Raises `LedgerMoved`."""
        if exclusions(basis.ledger, self.arrived) != self.left_out:
            raise LedgerMoved("another writer committed some of it since the batch was split")


def connect(
    url: str, clock: Clock, *, breaker_share: float = BREAKER_SHARE, probe: Probe = no_probe
) -> Warehouse:
    """The warehouse at `url`; the connection is opened by the first call. Raises `SettingsError`.

    `breaker_share` is the share of rejected records above which a type's breaker opens.
    """
    return Warehouse(open_session(url), clock, breaker_share=breaker_share, probe=probe)


def _epoch(cursor: Cursor, stream: str) -> int:
    cursor.execute("SELECT COALESCE(MAX(epoch), 0) FROM epochs WHERE stream = %s", [stream])
    (epoch,) = cursor.fetchone() or (0,)
    return int(str(epoch))


_PRESENT = """SELECT (SELECT COALESCE(MAX(epoch), 0) FROM epochs WHERE stream = %s),
    (SELECT MAX(end_positions) FROM batches WHERE query_id = %s AND batch_id = %s),
    (SELECT MAX(version) FROM ledger_version)"""
"""All that a commit is guarded by, in one statement."""


def _looked_up(cursor: Cursor, batch: BatchId, epoch: int) -> tuple[bool, int]:
    """Whether the batch is in, and the ledger's version. Raises `FencedOut` and `BatchMismatch`."""
    cursor.execute(_PRESENT, [batch.stream, batch.query_id, batch.batch_id])
    newest, ends, version = cast("tuple[int, str | None, int | None]", cursor.fetchone())
    if version is None:
        raise SchemaMismatch("ledger_version has no row: prepare the warehouse again (`headrace migrate`)")
    if newest != epoch:
        raise FencedOut(
            f"stream {batch.stream}: this job has epoch {epoch}, but {newest} has been taken: stop this one"
        )
    if ends is not None and ends != _end_positions(batch):
        raise BatchMismatch(
            f"batch {batch.batch_id} of query {batch.query_id} is committed up to {ends} and came "
            f"back up to {_end_positions(batch)}: the checkpoint was tampered with; start from a new one"
        )
    return ends is not None, version


def _end_positions(batch: BatchId) -> str:
    text = batch.end_positions
    if len(text.encode()) <= MAX_TEXT_BYTES:
        return text
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _committed(folded: FoldedBatch, shares: Sequence[TypeShare]) -> Committed:
    return Committed(
        already=False,
        counted=sum(ranges.size for ranges in folded.counted.values()),
        rejected=sum(ranges.size for ranges in folded.rejected.values()),
        dropped=sum(folded.dropped.values()),
        shares=shares,
    )


def _insert_batch(cursor: Cursor, batch: BatchId, epoch: int, committed: Committed, now: object) -> None:
    cursor.execute(
        "INSERT INTO batches (stream, query_id, batch_id, end_positions, epoch, counted, rejected, dropped, "
        "committed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            batch.stream,
            batch.query_id,
            batch.batch_id,
            _end_positions(batch),
            epoch,
            committed.counted,
            committed.rejected,
            committed.dropped,
            now,
        ],
    )
