"""One shard of `errors`: its records into the warehouse, and its place to KCL."""

from collections.abc import Sequence

from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from headrace.warehouse.desk import Desk
from stream_jobs.error_desk.checkpoints import Checkpointer, Checkpoints
from stream_jobs.error_desk.merging import Merging
from stream_jobs.error_desk.rows import Delivered, placed
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.error_desk.status import StatusFile
from stream_jobs.patience import Waits


class Shard:
    """Merges every call's records before it returns, so nothing is ever held that could be lost."""

    def __init__(
        self, name: str, settings: ErrorDeskSettings, stream: str, clock: Clock, *, process: int, waits: Waits
    ) -> None:
        """`stream` is the stream's identity, with its creation; `waits` says when waiting is in vain."""
        self.status = StatusFile(settings.folder, name, process, clock)
        self._name = name
        self._desk = Desk(settings.warehouse_url, clock)
        self._merging = Merging(self._desk, stream, name, waits=waits, told=self.status)
        self._checkpoints = Checkpoints(
            clock, seconds=settings.checkpoint_seconds, records=settings.checkpoint_records
        )

    def process(self, records: Sequence[Delivered], behind_ms: int, checkpointer: Checkpointer) -> None:
        """Some records, or none: KCL then only says how far behind the shard is."""
        if records:
            self._merging.merge([placed(self._name, record) for record in records])
            self.status.merged(len(records))
            self._checkpoints.merged(records[-1].position, len(records))
        self.status.behind(behind_ms)
        if self._checkpoints.due():
            self._checkpoints.keep(checkpointer)

    def lost(self) -> None:
        """Another worker has the shard, and goes on where the warehouse stands: no checkpoint."""
        get_logger().info("shard lost", shard=self._name)
        self.close()

    def ended(self, checkpointer: Checkpointer) -> None:
        """The shard is closed, and all of it is merged."""
        self._checkpoints.end(checkpointer)
        get_logger().info("shard ended", shard=self._name)
        self.close()

    def handed_over(self, checkpointer: Checkpointer) -> None:
        """The daemon ends, or is about to give the shard to another worker."""
        self._checkpoints.keep_now(checkpointer)
        get_logger().info("shard handed over", shard=self._name)

    def close(self) -> None:
        """Nothing more is expected of this process."""
        self.status.remove()
        self._desk.close()
