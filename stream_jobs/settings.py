"""The stream job's settings."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from headrace.ops.settings import Setting
from headrace.warehouse.batch import BREAKER_SHARE

SUBMITTED = "submitted"
"""Spark's master is the one that spark-submit was told, as on a cluster."""


class StreamJobSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, at the entry point; endpoint, region and credentials of AWS as for any AWS SDK."""

    warehouse_url: Annotated[
        str, Setting("HEADRACE_WAREHOUSE_URL", "the warehouse: postgresql://… or redshift://…")
    ]
    stream: Annotated[str, Setting("HEADRACE_STREAM", "the stream to read")] = "events"
    state: Annotated[str, Setting("HEADRACE_STATE", "folder for what the local stack keeps")] = ".headrace"
    checkpoint: Annotated[
        str,
        Setting(
            "HEADRACE_CHECKPOINT",
            "Spark's checkpoint folder, or its URL (s3://…); '' for one per stream in the state folder",
        ),
    ] = ""
    cache: Annotated[
        str,
        Setting("HEADRACE_CACHE", "folder for records between fetching and reading; '' for one in the state"),
    ] = ""
    cache_bytes: Annotated[
        int, Setting("HEADRACE_CACHE_BYTES", "how much may wait there before fetching pauses")
    ] = 512 << 20
    spark_master: Annotated[
        str,
        Setting("HEADRACE_SPARK_MASTER", "Spark's master; `submitted`: as spark-submit was told"),
    ] = "local[*]"
    spark_memory: Annotated[str, Setting("HEADRACE_SPARK_MEMORY", "memory of Spark's driver")] = "2g"
    trigger_ms: Annotated[
        int, Setting("HEADRACE_TRIGGER_MS", "milliseconds between the starts of two batches, at least")
    ] = 500
    batch_records: Annotated[
        int, Setting("HEADRACE_BATCH_RECORDS", "the most Kinesis records in a batch")
    ] = 200_000
    batch_bytes: Annotated[int, Setting("HEADRACE_BATCH_BYTES", "the most bytes in a batch")] = 128 << 20
    fail_on_data_loss: Annotated[
        bool,
        Setting("HEADRACE_FAIL_ON_DATA_LOSS", "stop when the stream dropped records before they were read"),
    ] = True
    breaker_share: Annotated[
        float,
        msgspec.Meta(gt=0, le=1),
        Setting("HEADRACE_BREAKER_SHARE", "share of a type's records rejected above which its breaker opens"),
    ] = BREAKER_SHARE
    drain_seconds: Annotated[
        float, Setting("HEADRACE_DRAIN_SECONDS", "how long a stop waits for the batch under way")
    ] = 30.0
    proof_seconds: Annotated[
        float,
        msgspec.Meta(gt=0),
        Setting("HEADRACE_PROOF_SECONDS", "seconds between two readings of the books, which become metrics"),
    ] = 60.0
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
    def submitted(self) -> bool:
        """Whether the job runs under spark-submit, which has started Java and says how large Spark is."""
        return self.spark_master == SUBMITTED

    @property
    def checkpoint_location(self) -> str:
        """Where Spark keeps offsets and commits: a folder's whole path, or a URL."""
        if "://" in self.checkpoint:
            return self.checkpoint
        folder = Path(self.checkpoint) if self.checkpoint else Path(self.state) / "checkpoint" / self.stream
        return str(folder.resolve())

    @property
    def status_file(self) -> Path:
        """Where the source's reader, a process of its own, says how it goes."""
        return self.cache_folder.resolve() / f"{self.stream}.status.json"

    @property
    def cache_folder(self) -> Path:
        """Where fetched records wait."""
        return Path(self.cache) if self.cache else Path(self.state) / "cache"
