"""The settings of the laptop's delivery."""

from typing import Annotated, Literal

import msgspec

from headrace.ops.settings import Setting


class DeliverySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, at the entry point; endpoint, region and credentials of AWS as for any AWS SDK."""

    bucket: Annotated[str, Setting("HEADRACE_ARCHIVE_BUCKET", "the bucket of the archive")]
    function: Annotated[
        str, Setting("HEADRACE_TRANSFORM_FUNCTION", "the function that the records of `events` go through")
    ] = "headrace-transform"
    archive_seconds: Annotated[
        float, Setting("HEADRACE_DELIVERY_SECONDS", "how long a record may wait for others of its object")
    ] = 15.0
    transform_seconds: Annotated[
        float, Setting("HEADRACE_DELIVERY_TRANSFORM_SECONDS", "how long it may wait for others of its call")
    ] = 1.0
    state: Annotated[str, Setting("HEADRACE_STATE", "folder for what the local stack keeps")] = ".headrace"
    drain_seconds: Annotated[
        float, Setting("HEADRACE_DRAIN_SECONDS", "how long a stop reads on and writes what is buffered")
    ] = 25.0
    health_port: Annotated[
        int, Setting("HEADRACE_HEALTH_PORT", "port of /healthz and /metrics; 0 for a free one")
    ] = 0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Setting("HEADRACE_LOG_LEVEL", "the least that is logged"),
    ] = "info"
    log_format: Annotated[
        Literal["human", "json"], Setting("HEADRACE_LOG_FORMAT", "log lines for a person or a machine")
    ] = "human"
