"""The same calls by boto3's own core: for proxies and for whatever else our client does not know.

botocore signs, finds the endpoint and the credentials, and keeps the connections; its retries are off, since
the caller knows what a second attempt means. PutRecords costs 2 (large aggregates) to 8 times (500
small records) the CPU of our client.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import botocore
import botocore.exceptions
import msgspec
from botocore.config import Config
from botocore.credentials import Credentials

from headrace.errors import KinesisUnavailable, SettingsError
from headrace.kinesis.endpoint import REFRESH_FAULTS, frozen_keys, new_session
from headrace.kinesis.faults import CLOCK_FAULTS, ENDED_CREDENTIALS, Fault
from headrace.kinesis.port import (
    CONNECT_SECONDS,
    CONNECTIONS,
    NOTICEABLE_SKEW,
    READ_SECONDS,
    Answer,
    Kinesis,
    read_date,
)
from headrace.kinesis.signature import sign
from headrace.ops.clock import Clock


class Boto3Client(Kinesis):
    """Calls the endpoint that any AWS SDK would use here, through a proxy where the environment says so."""

    def __init__(
        self,
        clock: Clock,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        connections: int = CONNECTIONS,
    ) -> None:
        """Open nothing yet. Raises SettingsError."""
        super().__init__(clock)
        self._skew = timedelta(0)  # what the service's clock is ahead of ours
        self._endpoint_url, self._region = endpoint_url, region
        self._config = Config(
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            max_pool_connections=connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            parameter_validation=False,  # the service judges, as with our client
        )
        self._renewing = threading.Lock()
        self._client = self._made()

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()

    def _ask(
        self, operation: str, request: Mapping[str, object], kind: type[Answer]
    ) -> tuple[Answer, datetime | None]:
        answer = self._call(operation, request)
        date = read_date(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
        try:
            return msgspec.convert(_seconds(answer), kind, builtin_types=(bytes,)), date
        except msgspec.ValidationError as error:
            raise KinesisUnavailable(f"Kinesis {operation}: the answer cannot be read: {error}") from error

    def _tell(self, operation: str, request: Mapping[str, object]) -> None:
        self._call(operation, request)

    def _call(self, operation: str, request: Mapping[str, object]) -> Any:  # noqa: ANN401  botocore's answer
        """One call; once more for a wrong clock, once more for credentials that have ended."""
        arguments, client, skew = _builtins(request), self._client, self._skew
        answer = self._try(client, operation, arguments)
        if isinstance(answer, Fault) and answer.code in CLOCK_FAULTS and answer.date is not None:
            self._skew = answer.date - self._clock.now()
            if abs(self._skew - skew) >= NOTICEABLE_SKEW:
                answer = self._try(client, operation, arguments)
        if isinstance(answer, Fault) and answer.code in ENDED_CREDENTIALS:
            answer = self._try(self._renewed(client), operation, arguments)
        if isinstance(answer, Fault):
            raise answer.error(operation)
        return answer

    def _try(self, client: Any, operation: str, arguments: Any) -> Any:  # noqa: ANN401  as botocore has it
        try:
            return client._make_api_call(operation, arguments)  # noqa: SLF001  where each method of it ends
        except botocore.exceptions.ClientError as error:
            told, about = error.response["Error"], error.response["ResponseMetadata"]
            date = read_date(about.get("HTTPHeaders", {}).get("date", ""))
            return Fault(
                told.get("Code", "no error code"), told.get("Message", ""), about["HTTPStatusCode"], date
            )
        except REFRESH_FAULTS as error:  # of botocore, or of the network below it
            raise KinesisUnavailable(f"Kinesis {operation} by boto3: {error}") from error

    def _made(self) -> Any:  # noqa: ANN401  a client of botocore's, made at run time
        session = new_session()
        try:
            client: Any = session.create_client(
                "kinesis", region_name=self._region, endpoint_url=self._endpoint_url, config=self._config
            )
            credentials = session.get_credentials()
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise SettingsError(f"the AWS settings cannot be used: {error}") from error
        if credentials is None:
            raise SettingsError("no AWS credentials: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY")

        signer = _TheirClock(credentials, client.meta.region_name, self._their_time)
        client.meta.events.register("choose-signer.kinesis", signer.choose)
        client.meta.events.register("before-send.kinesis", signer.sign)
        return client

    def _their_time(self) -> datetime | None:
        """What the service's clock shows; None while it agrees with ours."""
        return self._clock.now() + self._skew if abs(self._skew) >= NOTICEABLE_SKEW else None

    def _renewed(self, ended: Any) -> Any:  # noqa: ANN401  a client of botocore's
        """A client with credentials found anew, unless another thread has made one."""
        with self._renewing:
            if self._client is ended:
                self._client = self._made()
            return self._client


class _TheirClock:
    """Signs in the place of botocore, which knows only the machine's clock, once that has been doubted."""

    def __init__(
        self, credentials: Credentials, region: str, their_time: Callable[[], datetime | None]
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._their_time = their_time

    def choose(self, **_: object) -> object:
        """What botocore signs with; None: as it would."""
        return None if self._their_time() is None else botocore.UNSIGNED

    def sign(self, request: Any, **_: object) -> None:  # noqa: ANN401  botocore's
        """Add the signature to a request that botocore has not signed."""
        time = self._their_time()
        if time is None:
            return
        parts = urlsplit(request.url)
        headers = {"Host": parts.netloc}
        for name, value in request.headers.items():
            if name.lower() == "content-type" or name.lower().startswith("x-amz-"):
                headers[name] = value.decode() if isinstance(value, bytes) else value
        keys = frozen_keys(self._credentials)
        request.headers.update(sign(keys, self._region, parts.path or "/", headers, request.body, time=time))


def _builtins(request: Mapping[str, object]) -> Any:  # noqa: ANN401  dicts and lists
    return msgspec.to_builtins(request, builtin_types=(bytes,))


def _seconds(answer: Any) -> Any:  # noqa: ANN401  dicts and lists
    """Times as on the wire: in seconds since 1970."""
    if isinstance(answer, dict):
        return {name: _seconds(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [_seconds(value) for value in answer]
    return answer.timestamp() if isinstance(answer, datetime) else answer
