"""What a producer can be told; the environment, the settings file and the command line all end here."""

from typing import Annotated, Literal

import msgspec

from headrace.kinesis.client import Sdk
from headrace.ops.settings import Setting
from producers.lanes import MAX_REQUEST_BYTES, USUAL_REQUEST_BYTES
from producers.outlet import CONNECTIONS

_SMALLEST_SPOOL = 8 << 20  # room for the largest record in a segment of its own, some times over


class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One producer process, whatever it reads."""

    name: Annotated[
        str | None,
        Setting("HEADRACE_PRODUCER_NAME", "begins the name of each source; by default the host's name"),
    ] = None
    spool: Annotated[
        str,
        Setting("HEADRACE_SPOOL", "the folder of the spool; with a settings file, each input has one in it"),
    ] = ".headrace/spool"
    drain_seconds: Annotated[
        Annotated[float, msgspec.Meta(ge=0)],
        Setting("HEADRACE_DRAIN_SECONDS", "seconds to send the rest after SIGTERM; what is left is kept"),
    ] = 25.0
    health_host: Annotated[
        str, Setting("HEADRACE_HEALTH_HOST", "address of /healthz, /readyz and /metrics")
    ] = "127.0.0.1"
    health_port: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=65535)],
        Setting("HEADRACE_HEALTH_PORT", "their port; 0 is any free one"),
    ] = 0
    sdk: Annotated[
        Sdk,
        Setting(
            "HEADRACE_SDK",
            "who carries the calls to Kinesis: headrace's own client, or boto3 at 2 to 8 times the CPU",
        ),
    ] = "headrace"
    requests_in_flight: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=64)],
        Setting(
            "HEADRACE_REQUESTS_IN_FLIGHT",
            "requests under way at a time, of each input; 1 per shard where keyed",
        ),
    ] = CONNECTIONS
    request_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=1 << 20, le=MAX_REQUEST_BYTES)],
        Setting("HEADRACE_REQUEST_BYTES", "bytes of a request at most; AWS takes 10 MiB, emulators 5"),
    ] = USUAL_REQUEST_BYTES
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
        Literal["debug", "info", "warning", "error"], Setting("HEADRACE_LOG_LEVEL", "the least level logged")
    ] = "info"
    log_format: Annotated[
        Literal["json", "human"], Setting("HEADRACE_LOG_FORMAT", "logs for a machine or for a person")
    ] = "human"


class InputSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One input: what every kind of source can be told. Each kind adds settings of its own."""

    source: Annotated[str, Setting("HEADRACE_SOURCE", "the kind of source: file, stdin, http, sse, ...")]
    type: Annotated[
        str | None, Setting("HEADRACE_TYPE", "the record type of the lines; by default what the format gives")
    ] = None
    format: Annotated[
        str | None,
        Setting("HEADRACE_FORMAT", "the format of the lines; by default what the source is known for"),
    ] = None
    stream: Annotated[str, Setting("HEADRACE_STREAM", "the Kinesis stream that records go to")] = "events"
    rate: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        Setting("HEADRACE_RATE", "lines per second at most; unlimited by default"),
    ] = None
    spool_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=_SMALLEST_SPOOL)],
        Setting("HEADRACE_SPOOL_BYTES", "bytes that the spool may take; past them the source is paused"),
    ] = 1 << 30
    status_seconds: Annotated[
        Annotated[float, msgspec.Meta(gt=0)],
        Setting("HEADRACE_STATUS_SECONDS", "seconds between two statuses of a source on the stream"),
    ] = 2.0
    rebase: Annotated[
        Literal["now"] | None,
        Setting(
            "HEADRACE_REBASE", "now: shift the event times of files by whole hours so that the newest is now"
        ),
    ] = None
