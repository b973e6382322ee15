"""A thin signed client, in JSON: PutRecords costs boto3 2 to 8 times its CPU, GetRecords 5 to 9 times.

It retries nothing, but corrects a wrong clock and renews credentials that have ended too soon.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
import urllib3

from headrace.errors import KinesisUnavailable
from headrace.kinesis.boto3_client import Boto3Client
from headrace.kinesis.endpoint import Endpoint, proxy_of, resolve
from headrace.kinesis.faults import CLOCK_FAULTS, ENDED_CREDENTIALS, Fault, read_fault
from headrace.kinesis.port import (
    CONNECT_SECONDS,
    CONNECTIONS,
    NOTICEABLE_SKEW,
    READ_SECONDS,
    Answer,
    Kinesis,
    read_date,
)
from headrace.kinesis.signature import Keys, sign
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger

Sdk = Literal["headrace", "boto3"]

_API = "Kinesis_20131202"
_OK = 200


class Response(NamedTuple):
    """An answer with status 200; `date` is the service's own clock, to the second, if it told."""

    body: bytes
    date: datetime | None


class KinesisClient(Kinesis):
    """Calls one endpoint over connections that it keeps open; knows no proxy."""

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        connections: int = CONNECTIONS,
    ) -> None:
        """Open nothing yet. Time-outs are per attempt to connect and per wait for bytes."""
        super().__init__(clock)
        self._endpoint = endpoint
        self._skew = timedelta(0)  # what the service's clock is ahead of ours
        parts = urlsplit(endpoint.url)
        self._path = parts.path or "/"
        self._host = parts.netloc
        self._open_pool = partial(
            urllib3.connection_from_url,
            f"{parts.scheme}://{parts.netloc}",
            maxsize=connections,
            timeout=urllib3.Timeout(connect=connect_seconds, read=read_seconds),
            retries=urllib3.Retry(total=False),
            **({"ca_certs": endpoint.ca_bundle} if parts.scheme == "https" else {}),
        )
        self._pool = self._open_pool()

    def close(self) -> None:
        """Close the idle connections."""
        idle, self._pool = self._pool, self._open_pool()
        idle.close()

    def call(self, operation: str, payload: bytes) -> Response:
        """One signed POST of a JSON body.

        Once more with the clock set right, if the service doubts it; once more with credentials found anew,
        if it says that these have ended.
        """
        skew, keys = self._skew, self._endpoint.keys()
        answer = self._post(operation, payload, keys, skew)
        if isinstance(answer, Fault) and answer.code in CLOCK_FAULTS and answer.date is not None:
            self._skew = answer.date - self._clock.now()
            if abs(self._skew - skew) >= NOTICEABLE_SKEW:
                answer = self._post(operation, payload, keys, self._skew)
        if (
            isinstance(answer, Fault)
            and answer.code in ENDED_CREDENTIALS
            and self._endpoint.renew is not None
        ):
            self._endpoint.renew(keys)
            answer = self._post(operation, payload, self._endpoint.keys(), self._skew)
        if isinstance(answer, Fault):
            raise answer.error(operation)
        return answer

    def _ask(
        self, operation: str, request: Mapping[str, object], kind: type[Answer]
    ) -> tuple[Answer, datetime | None]:
        body, date = self.call(operation, msgspec.json.encode(request))
        try:
            return msgspec.json.decode(body, type=kind), date
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise KinesisUnavailable(f"Kinesis {operation}: the answer cannot be read: {error}") from error

    def _tell(self, operation: str, request: Mapping[str, object]) -> None:
        self.call(operation, msgspec.json.encode(request))

    def _post(self, operation: str, payload: bytes, keys: Keys, skew: timedelta) -> Response | Fault:
        headers = {
            "Host": self._host,
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"{_API}.{operation}",
        }
        time = self._clock.now() + skew
        signed = sign(keys, self._endpoint.region, self._path, headers, payload, time=time)
        try:
            answer = self._pool.urlopen("POST", self._path, body=payload, headers=signed, redirect=False)
            body = answer.data
        except urllib3.exceptions.HTTPError as error:
            raise KinesisUnavailable(f"Kinesis {operation} at {self._host}: {error}") from error
        date = read_date(answer.headers.get("Date", ""))
        if answer.status == _OK:
            return Response(body, date)
        return read_fault(answer.status, answer.headers.get("x-amzn-ErrorType", ""), date, body)


def connect(
    clock: Clock, *, endpoint_url: str | None = None, region: str | None = None, sdk: Sdk = "headrace"
) -> Kinesis:
    """A client for the endpoint that any AWS SDK would use here. Raises SettingsError.

    `sdk` says who carries the calls; where the environment names a proxy for the endpoint, boto3 does.
    """
    endpoint = resolve(endpoint_url=endpoint_url, region=region)
    proxy = proxy_of(endpoint.url)
    if sdk == "headrace" and proxy is None:
        return KinesisClient(endpoint, clock)
    if sdk == "headrace":
        get_logger().info("Kinesis is reached through a proxy, so by boto3", proxy=urlsplit(proxy).hostname)
    return Boto3Client(clock, endpoint_url=endpoint_url, region=region)
