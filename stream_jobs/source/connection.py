"""A stream at its service: what it is, and cursors into its shards."""

from datetime import timedelta
from typing import Self

import msgspec

from headrace.errors import KinesisUnavailable
from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint, resolve
from headrace.ops.clock import Clock
from stream_jobs.source.shard_cursor import ShardCursor
from stream_jobs.source.shards import ListedShard, Stream


class StreamConnection:
    """Asks one Kinesis endpoint about one stream; threads may share it."""

    def __init__(self, stream: str, endpoint: Endpoint, clock: Clock) -> None:
        self.stream = stream
        self.endpoint = endpoint
        self.client = KinesisClient(endpoint, clock)
        self._retention = timedelta(hours=24)

    @classmethod
    def open(
        cls, stream: str, clock: Clock, *, endpoint_url: str | None = None, region: str | None = None
    ) -> Self:
        """Connect as any AWS SDK would. Raises SettingsError."""
        return cls(stream, resolve(endpoint_url=endpoint_url, region=region), clock)

    def describe(self) -> Stream:
        """The stream as it is now. Raises KinesisNotFound, KinesisUnavailable and their kinds."""
        summary = self.client.describe_stream_summary(self.stream)
        self._retention = timedelta(hours=summary.retention_period_hours)
        listed = self.client.list_shards(self.stream)
        shards = [ListedShard(shard.shard_id, shard.parents, not shard.is_open) for shard in listed]
        return Stream(self.stream, round(summary.stream_creation_timestamp * 1000), shards)

    def now_ms(self) -> int:
        """The service's own time, milliseconds since 1970. Raises KinesisUnavailable and its kinds."""
        payload = msgspec.json.encode({"StreamName": self.stream})
        date = self.client.call("DescribeStreamSummary", payload).date
        if date is None:
            raise KinesisUnavailable("DescribeStreamSummary answered without a Date")
        return round(date.timestamp() * 1000)

    def cursor(self, shard: str, position: str, frontier: int, *, fail_on_data_loss: bool) -> ShardCursor:
        """A cursor right after `position`; knows the retention as of the last `describe`."""
        return ShardCursor(
            self.client,
            self.stream,
            shard,
            position=position,
            frontier=frontier,
            retention=self._retention if fail_on_data_loss else None,
        )
