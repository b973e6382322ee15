"""The declared streams: who writes, who reads, how long records stay, and where rejects go."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Stream:
    """One Kinesis stream. Producers and consumers are doors, named by their packages.

    `rejects_to` names where what a consumer rejects is kept: a stream, or the warehouse table `rejects`.
    """

    name: str
    record_types: tuple[str, ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    retention: timedelta
    rejects_to: str
    description: str


STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream(
            name="events",
            record_types=(
                "web_access.v1",
                "reject.v1",
                "producer_status.v1",
                "user_signup.v1",
                "wiki_edit.v1",
                "loan_origination.v1",
                "loan_performance.v1",
            ),
            producers=("producers",),
            consumers=("stream_jobs", "lambdas"),
            retention=timedelta(days=7),
            rejects_to="errors",
            description="Every record of every producer, under its number.",
        ),
        Stream(
            name="errors",
            record_types=("reject.v1",),
            producers=("lambdas",),
            consumers=("stream_jobs",),
            retention=timedelta(days=7),
            rejects_to="rejects",
            description="What was split off from `events`: every reject, whole, with its reasons.",
        ),
    )
}


QUERY_VERSION = 1
"""Of the stream job's query, in each offset of its checkpoint: a query refuses offsets of another version.

Raised with whatever changes what an offset says; a cluster's job then begins a checkpoint of its own.
"""


def stream_identity(name: str, created_ms: int) -> str:
    """What progress is kept under: a stream that was made anew under the name is another stream.

    `created_ms` is the stream's creation, in milliseconds since 1970.
    """
    return f"{name}@{created_ms}"
