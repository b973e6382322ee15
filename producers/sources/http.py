"""HTTP push: POST /records takes NDJSON and CloudEvents, and answers 202 once they are on disk."""

import ipaddress
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import msgspec

from headrace.errors import SettingsError
from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from headrace.ops.settings import Setting
from producers.http.access import Tokens
from producers.http.body import Limits
from producers.http.connection import Times
from producers.http.endpoint import Endpoint
from producers.http.idempotency import Requests
from producers.http.intray import Intray
from producers.http.judge import TAKEN_BY_ANY
from producers.http.lane import Lane, Submission
from producers.http.server import Server, Service
from producers.http.tls import Certificate
from producers.reading.source import MAX_LINE_BYTES, Chunk, Opening, Source

FORMAT = "ndjson"

_DATABASE = "idempotency.db"
_QUEUED_BYTES = 32 << 20
_Count = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where it listens, whom it lets in, and what one request may cost."""

    host: Annotated[str, Setting("HEADRACE_HTTP_HOST", "the address that it listens on")] = "127.0.0.1"
    port: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=65535)],
        Setting("HEADRACE_HTTP_PORT", "the port that it listens on; 0 is any free one"),
    ] = 8089
    token_file: Annotated[
        str | None,
        Setting(
            "HEADRACE_HTTP_TOKEN_FILE", "a file of bearer tokens, one per line; read again when it changes"
        ),
    ] = None
    certificate: Annotated[
        str | None,
        Setting("HEADRACE_HTTP_CERTIFICATE", "the certificate for TLS, with its chain (PEM); read again too"),
    ] = None
    private_key: Annotated[
        str | None, Setting("HEADRACE_HTTP_PRIVATE_KEY", "the certificate's private key (PEM)")
    ] = None
    unprotected: Annotated[
        bool,
        Setting("HEADRACE_HTTP_UNPROTECTED", "listen beyond this machine without a token or without TLS"),
    ] = False
    body_bytes: Annotated[
        _Count, Setting("HEADRACE_HTTP_BODY_BYTES", "bytes of a request's body at most, also once unpacked")
    ] = 4 << 20
    body_records: Annotated[_Count, Setting("HEADRACE_HTTP_BODY_RECORDS", "records of a request at most")] = (
        10_000
    )
    record_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=MAX_LINE_BYTES)],
        Setting(
            "HEADRACE_HTTP_RECORD_BYTES",
            "bytes of a record at most; more than by default only where the stream takes larger records",
        ),
    ] = TAKEN_BY_ANY
    memory_bytes: Annotated[
        _Count,
        Setting("HEADRACE_HTTP_MEMORY_BYTES", "bytes of bodies held at a time, of all requests together"),
    ] = 64 << 20
    connections: Annotated[_Count, Setting("HEADRACE_HTTP_CONNECTIONS", "connections open at a time")] = 512
    request_seconds: Annotated[
        _Seconds, Setting("HEADRACE_HTTP_REQUEST_SECONDS", "from a request's first byte to its last, at most")
    ] = 30.0
    idle_seconds: Annotated[
        _Seconds, Setting("HEADRACE_HTTP_IDLE_SECONDS", "an idle connection is closed after that")
    ] = 60.0
    wait_seconds: Annotated[
        _Seconds,
        Setting("HEADRACE_HTTP_WAIT_SECONDS", "a request waits that long for the disk; then 429 or 503"),
    ] = 30.0
    key_hours: Annotated[
        _Seconds, Setting("HEADRACE_HTTP_KEY_HOURS", "an Idempotency-Key is known for that long")
    ] = 24.0

    def __post_init__(self) -> None:
        """Raise SettingsError where settings do not go together."""
        protected = self.token_file and self.certificate
        if not protected and not self.unprotected and not _is_loopback(self.host):
            raise SettingsError(
                f"listening on {self.host} needs a token_file and a certificate; "
                "unprotected = true does without"
            )
        if bool(self.certificate) != bool(self.private_key):
            raise SettingsError("certificate and private_key go together")


def open_source(settings: Settings, opening: Opening) -> "HttpSource":
    """Listen. Raises SettingsError or SpoolUnusable."""
    tokens = Tokens(Path(settings.token_file)) if settings.token_file else None
    return HttpSource(settings, opening, tokens, _certificate(settings))


class HttpSource(Source):
    """What is posted; `passing` gives the records that bring their own numbers. `port` is the one taken."""

    def __init__(
        self, settings: Settings, opening: Opening, tokens: Tokens | None, certificate: Certificate | None
    ) -> None:
        clock = opening.clock
        self._name = opening.name
        self._requests = Requests(
            opening.directory / _DATABASE, opening.places, clock, settings.key_hours * 3600
        )
        self._lane = Lane(_QUEUED_BYTES, clock, self._on_disk)
        self.passing: Source = (passing := Lane(_QUEUED_BYTES, clock))
        intray = Intray(
            self._lane,
            passing,
            requests=self._requests,
            has_room=opening.has_room,
            clock=clock,
            wait_seconds=settings.wait_seconds,
            name=opening.name,
        )
        limits = Limits(settings.body_bytes, settings.body_records, settings.record_bytes)
        self._endpoint = Endpoint(intray, opening.seal, tokens, limits, settings.memory_bytes)
        self._server = self._listen(settings, tokens, certificate, clock)
        self.port = self._server.port
        scheme = "http" if certificate is None else "https"
        get_logger().info("taking records", at=f"{scheme}://{settings.host}:{self.port}/records")

    def read(self) -> Chunk:
        """The records of requests that wait."""
        return self._lane.read()

    def committed(self) -> Collection[str]:
        """Requests hear that their records are on disk."""
        return self._lane.committed()

    def close(self) -> None:
        """Answer what is under way and let go of the port."""
        self._endpoint.draining = True
        self._lane.close()
        self._server.stop()
        self._requests.close()

    def _listen(
        self, settings: Settings, tokens: Tokens | None, certificate: Certificate | None, clock: Clock
    ) -> Server:
        service = Service(
            self._endpoint.respond,
            tokens.refresh if tokens else lambda: None,
            lambda status: metrics.HTTP_REQUESTS.labels(self._name, str(status)).inc(),
            certificate,
            Times(settings.idle_seconds, settings.request_seconds),
            settings.connections,
        )
        try:
            return Server(settings.host, settings.port, service, clock)
        except SettingsError:
            self._requests.close()
            raise

    def _on_disk(self, submissions: list[Submission]) -> Collection[str]:
        return self._requests.committed((it.name, it.places[-1]) for it in submissions)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _certificate(settings: Settings) -> Certificate | None:
    if not settings.certificate or not settings.private_key:
        return None
    return Certificate(Path(settings.certificate), Path(settings.private_key))
