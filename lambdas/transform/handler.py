"""The function that Firehose calls with records of `events`: good ones to the archive, rejects to `errors`.

Source: Amazon Data Firehose Developer Guide, "Transform source data in Amazon Data Firehose".
"""

import os
import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from headrace.ops.clock import SystemClock
from headrace.ops.settings import load
from lambdas.transform.rejects import Parcel
from lambdas.transform.report import report
from lambdas.transform.settings import TransformSettings
from lambdas.transform.splitter import split

if TYPE_CHECKING:
    from lambdas.transform.error_stream import ErrorStream

_SETTINGS = load(TransformSettings, os.environ)  # noqa: TID251  the entry point


class Context(Protocol):
    """What is asked of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """How long this call may still take."""
        ...


def handle(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Answer each of the event's records once, in their order; the answer stays below Lambda's limit."""

    def put(parcels: Sequence[Parcel]) -> Sequence[bool]:
        return _error_stream().put(parcels, context.get_remaining_time_in_millis)

    answers, tally = split(event["records"], put)
    report(tally, _SETTINGS.emf_namespace)
    return {"records": answers}


@cache
def _error_stream() -> "ErrorStream":
    """Made with the first reject: a cold start need not wait for botocore."""
    from headrace.kinesis.boto3_client import Boto3Client  # noqa: PLC0415  as above
    from lambdas.transform.error_stream import CONNECT_SECONDS, READ_SECONDS, ErrorStream  # noqa: PLC0415

    clock = SystemClock()
    kinesis = Boto3Client(clock, connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS)
    return ErrorStream(kinesis, _SETTINGS.error_stream, clock.sleep, random.random)
