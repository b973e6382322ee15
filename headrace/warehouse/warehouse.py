"""The port: what the stream job may ask of a warehouse, whichever engine it is."""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from headrace.errors import SettingsError
from headrace.ops.clock import Clock
from headrace.schemas.outputs import WindowedOutput
from headrace.warehouse.batch import BREAKER_SHARE, BatchId, Committed, Fold, ShardProgress
from headrace.warehouse.probe import Probe, no_probe

__all__ = ["Probe", "Warehouse", "connect", "no_probe"]


class Warehouse(Protocol):
    """One connection to the tables; for one thread at a time.

    Every call raises `WarehouseUnavailable` when the engine gives no answer, a deadlock or a
    serialization failure: nothing, or all of it, is then done, and the same call may be made again.
    """

    def prepare(self, outputs: Sequence[WindowedOutput]) -> None:
        """Create what is missing: tables, views, the analysts' role. Safe to repeat and to run twice at once.

        Raises `SchemaMismatch` when a table exists with other columns.
        """
        ...

    def take_epoch(self, stream: str) -> int:
        """Take the stream over: every commit under an older epoch fails from now on.

        Outputs that no job has written before are born here, with their type's count of the moment:
        no older job can add to that count any more.
        """
        ...

    def progress(self, stream: str) -> list[ShardProgress]:
        """How far each shard has been committed."""
        ...

    def commit(self, batch: BatchId, epoch: int, fold: Fold) -> Committed:
        """Put the batch into every table in one transaction, or find that it is there.

        `fold` runs at least once, outside the transaction, and again whenever the ledger asks for
        (other) exclusions. Safe to repeat whole, also when the reply to COMMIT was lost.

        Raises `FencedOut` (a newer epoch) and `BatchMismatch` (the batch id with other end positions).
        """
        ...

    def close(self) -> None:
        """Give the connection back; the next call opens another."""
        ...


def connect(
    url: str, clock: Clock, *, breaker_share: float = BREAKER_SHARE, probe: Probe = no_probe
) -> Warehouse:
    """The warehouse at `url`; the connection is opened by the first call. Raises `SettingsError`.

    `breaker_share` is the share of rejected records above which a type's breaker opens.
    """
    scheme = urlsplit(url).scheme
    if scheme not in {"postgresql", "postgres"}:
        raise SettingsError(f"HEADRACE_WAREHOUSE_URL: expected postgresql://…, got the scheme {scheme!r}")
    from headrace.warehouse.postgresql import PostgresqlWarehouse  # noqa: PLC0415  the driver is loaded on use

    return PostgresqlWarehouse(url, clock, breaker_share=breaker_share, probe=probe)
