"""The local streams: made on the emulator as declared, and whether the job has read them to their end."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from headrace.schemas.streams import Stream, stream_identity

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

SHARDS = 2  # enough to show that records of one source travel on several
RETENTION_HOURS = 365 * 24  # the longest there is: a laptop may sleep for weeks


def client(environ: Mapping[str, str]) -> "KinesisClient":
    """A Kinesis client for the stack that `environ` describes."""
    import boto3  # noqa: PLC0415  slow to import: only commands that talk to AWS pay for it

    session = boto3.session.Session(
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name=environ["AWS_REGION"],
    )
    return session.client("kinesis", endpoint_url=environ["AWS_ENDPOINT_URL"])


def create(kinesis: "KinesisClient", declared: Iterable[Stream]) -> None:
    """Create the streams that are missing; returns once all can be written."""
    for stream in declared:
        try:
            kinesis.create_stream(StreamName=stream.name, ShardCount=SHARDS)
        except kinesis.exceptions.ResourceInUseException:
            continue  # it is there
        kinesis.get_waiter("stream_exists").wait(StreamName=stream.name, WaiterConfig={"Delay": 1})
        kinesis.increase_stream_retention_period(StreamName=stream.name, RetentionPeriodHours=RETENTION_HOURS)


def identity(kinesis: "KinesisClient", name: str) -> str:
    """The name under which the stream job keeps its progress."""
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    return stream_identity(name, round(summary["StreamCreationTimestamp"].timestamp() * 1000))


def read_to_the_end(kinesis: "KinesisClient", name: str, positions: Mapping[str, str]) -> bool:
    """Whether nothing lies beyond the committed positions by shard (sequence number; '' before the first)."""
    shards = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=name)["Shards"]]
    return not any(_holds_more(kinesis, name, shard, positions.get(shard, "")) for shard in shards)


def _holds_more(kinesis: "KinesisClient", name: str, shard: str, position: str) -> bool:
    if not position:
        start = kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    else:
        start = kinesis.get_shard_iterator(
            StreamName=name,
            ShardId=shard,
            ShardIteratorType="AFTER_SEQUENCE_NUMBER",
            StartingSequenceNumber=position,
        )
    iterator: str | None = start["ShardIterator"]
    while iterator is not None:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=1)
        if answer["Records"]:
            return True
        if answer["MillisBehindLatest"] == 0:
            return False
        iterator = answer.get("NextShardIterator")
    return False
