"""Whether the archive holds everything that is on the streams, for commands that stop or show the stack."""

from pathlib import Path
from typing import TYPE_CHECKING

from headrace.schemas.archive import DELIVERIES
from infra.local import streams
from infra.local.delivery import checkpoint

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


def undelivered(state: Path, kinesis: "KinesisClient") -> list[str]:
    """The streams that hold records beyond what their deliveries have written."""
    return [stream for stream in DELIVERIES if not _is_delivered(state, kinesis, stream)]


def _is_delivered(state: Path, kinesis: "KinesisClient", stream: str) -> bool:
    known = checkpoint.load(checkpoint.path_of(state, stream))
    is_of_this_one = known.stream == streams.identity(kinesis, stream)
    return streams.read_to_the_end(kinesis, stream, known.positions if is_of_this_one else {})
