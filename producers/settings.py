"""What a producer can be told; the environment, the stage file and the command line all end here."""

from typing import Annotated, Literal

import msgspec

from headrace.errors import SettingsError
from headrace.ops.settings import Setting

_SMALLEST_SPOOL = 8 << 20  # room for the largest record in a segment of its own, some times over


class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One producer: one source, one spool, one stream."""

    source: Annotated[
        Literal["file", "stdin"], Setting("HEADRACE_SOURCE", "where lines come from: file or stdin")
    ] = "file"
    paths: Annotated[
        tuple[str, ...], Setting("HEADRACE_PATHS", "the files to read; in the environment separated by :")
    ] = ()
    follow: Annotated[
        bool, Setting("HEADRACE_FOLLOW", "go on reading as the files grow and rotate, like tail -F")
    ] = False
    type: Annotated[str | None, Setting("HEADRACE_TYPE", "the record type of the lines")] = None
    format: Annotated[
        str | None,
        Setting("HEADRACE_FORMAT", "access_log or ndjson; by default what the type is known for"),
    ] = None
    rebase: Annotated[
        Literal["now"] | None,
        Setting("HEADRACE_REBASE", "now: shift event times by whole hours so that the newest is now"),
    ] = None
    rate: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        Setting("HEADRACE_RATE", "lines per second at most; unlimited by default"),
    ] = None
    stream: Annotated[str, Setting("HEADRACE_STREAM", "the Kinesis stream that records go to")] = "events"
    spool: Annotated[str, Setting("HEADRACE_SPOOL", "the folder of the spool")] = ".headrace/spool"
    spool_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=_SMALLEST_SPOOL)],
        Setting("HEADRACE_SPOOL_BYTES", "bytes that the spool may take; past them the source is paused"),
    ] = 1 << 30
    name: Annotated[
        str | None,
        Setting("HEADRACE_PRODUCER_NAME", "begins the name of each source; by default the host's name"),
    ] = None
    status_seconds: Annotated[
        Annotated[float, msgspec.Meta(gt=0)],
        Setting("HEADRACE_STATUS_SECONDS", "seconds between two statuses of a source on the stream"),
    ] = 2.0
    drain_seconds: Annotated[
        Annotated[float, msgspec.Meta(ge=0)],
        Setting("HEADRACE_DRAIN_SECONDS", "seconds to send the rest after SIGTERM; what is left is kept"),
    ] = 25.0
    health_port: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=65535)],
        Setting("HEADRACE_HEALTH_PORT", "port of /healthz and /metrics on 127.0.0.1; 0 is any free one"),
    ] = 0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Setting("HEADRACE_LOG_LEVEL", "the least level logged")
    ] = "info"
    log_format: Annotated[
        Literal["json", "human"], Setting("HEADRACE_LOG_FORMAT", "logs for a machine or for a person")
    ] = "human"

    def check(self) -> None:
        """Raise SettingsError where settings do not go together."""
        if self.source == "file" and not self.paths:
            raise SettingsError("no file to read: name at least one")
        if self.rebase and (self.source != "file" or self.follow):
            raise SettingsError("--rebase needs files that are replayed: it reads them twice")
