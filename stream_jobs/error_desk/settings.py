"""The error desk's settings: read by its launcher and, from the same environment, by each shard's process."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from headrace.ops.settings import Setting


class ErrorDeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, at the entry points; endpoint, region and credentials of AWS as for any AWS SDK."""

    warehouse_url: Annotated[
        str, Setting("HEADRACE_WAREHOUSE_URL", "the warehouse: postgresql://… or redshift://…")
    ]
    stream: Annotated[str, Setting("HEADRACE_ERROR_STREAM", "the stream of rejects")] = "errors"
    application: Annotated[
        str, Setting("HEADRACE_DESK_APPLICATION", "KCL's name for the desk, and for its DynamoDB tables")
    ] = "headrace-error-desk"
    fleet: Annotated[
        bool,
        Setting("HEADRACE_DESK_FLEET", "several machines share the shards; one alone takes them back faster"),
    ] = False
    state: Annotated[str, Setting("HEADRACE_STATE", "folder for what the local stack keeps")] = ".headrace"
    checkpoint_seconds: Annotated[
        float, Setting("HEADRACE_DESK_CHECKPOINT_SECONDS", "the longest between two checkpoints of a shard")
    ] = 10.0
    checkpoint_records: Annotated[
        int, Setting("HEADRACE_DESK_CHECKPOINT_RECORDS", "the most records between two checkpoints")
    ] = 10_000
    failover_seconds: Annotated[
        float,
        Setting(
            "HEADRACE_DESK_FAILOVER_SECONDS", "how long a worker may be silent before it loses its shards"
        ),
    ] = 5.0
    java_memory: Annotated[str, Setting("HEADRACE_DESK_JAVA_MEMORY", "memory of KCL's Java process")] = "512m"
    health_port: Annotated[
        int, Setting("HEADRACE_HEALTH_PORT", "port of /healthz and /metrics; 0 for a free one")
    ] = 0
    emf_seconds: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        Setting(
            "HEADRACE_EMF_SECONDS",
            "seconds between two reports of the metrics to CloudWatch, as lines on standard output in the"
            " Embedded Metric Format; none by default",
        ),
    ] = None
    emf_namespace: Annotated[
        str, Setting("HEADRACE_EMF_NAMESPACE", "the namespace of these metrics in CloudWatch")
    ] = "headrace"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Setting("HEADRACE_LOG_LEVEL", "the least that is logged"),
    ] = "info"
    log_format: Annotated[
        Literal["human", "json"], Setting("HEADRACE_LOG_FORMAT", "log lines for a person or a machine")
    ] = "human"

    @property
    def folder(self) -> Path:
        """Where KCL's settings, its log and the shards' status files lie."""
        return Path(self.state).resolve() / "error_desk"
