"""Another count of shards for a provisioned stream, in steps: Kinesis doubles or halves it at most at once.

Source: Amazon Kinesis Data Streams API, UpdateShardCount.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from headrace.errors import DeploymentFailed
from headrace.ops.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import StreamDescriptionSummaryTypeDef

_POLL_SECONDS = 5.0
_PATIENCE_SECONDS = 1_800.0


def steps(now: int, wanted: int) -> Iterator[int]:
    """The counts on the way, the wanted one last; nothing when it is there."""
    while now != wanted:
        now = min(wanted, 2 * now) if wanted > now else max(wanted, (now + 1) // 2)
        yield now


def shards_of(client: "KinesisClient", stream: str, clock: Clock) -> int:
    """How many it has, once nothing is under way. Raises DeploymentFailed when they are not ours to count."""
    summary = _settled(client, stream, clock)
    if summary.get("StreamModeDetails", {}).get("StreamMode") != "PROVISIONED":
        raise DeploymentFailed(f"stream {stream} is on demand: it has as many shards as it needs, by itself.")
    return summary["OpenShardCount"]


def reshard(
    client: "KinesisClient", stream: str, wanted: int, clock: Clock, say: Callable[[str], None]
) -> None:
    """Bring it to the wanted count; cut off anywhere, it goes on where it was when it is asked again.

    Readers and writers go on meanwhile, and no record is lost or moved. Raises DeploymentFailed.
    """
    for count in steps(shards_of(client, stream, clock), wanted):
        client.update_shard_count(StreamName=stream, TargetShardCount=count, ScalingType="UNIFORM_SCALING")
        _settled(client, stream, clock, count)
        say(f"{stream}: {count} shards")


def _settled(
    client: "KinesisClient", stream: str, clock: Clock, count: int | None = None
) -> "StreamDescriptionSummaryTypeDef":
    """What the stream is once nothing is under way, and it has that count of shards."""
    deadline = clock.monotonic() + _PATIENCE_SECONDS
    while True:
        summary = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
        if summary["StreamStatus"] == "ACTIVE" and count in (None, summary["OpenShardCount"]):
            return summary
        if clock.monotonic() > deadline:
            raise DeploymentFailed(
                f"stream {stream} is {summary['StreamStatus']} with {summary['OpenShardCount']} shards for "
                f"{_PATIENCE_SECONDS:.0f} s; try again."
            )
        clock.sleep(_POLL_SECONDS)
