"""What the way back reads from the environment."""

from typing import Annotated

from msgspec import Struct

from headrace.ops.settings import Setting


class ReplaySettings(Struct, frozen=True, kw_only=True):
    """Where records come from and go back to; endpoint, region and credentials of AWS as for any AWS SDK."""

    stream: Annotated[str, Setting("HEADRACE_STREAM", "the stream that records go back to")] = "events"
    error_stream: Annotated[
        str,
        Setting("HEADRACE_ERROR_STREAM", "the stream that rejects go back to, if delivery failed on them"),
    ] = "errors"
    archive_bucket: Annotated[
        str | None, Setting("HEADRACE_ARCHIVE_BUCKET", "the archive's bucket; without it, only the warehouse")
    ] = None
