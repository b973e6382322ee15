"""Server-Sent Events as a source: a feed is followed for ever, and taken up where it was left.

The place of a record is the id of its event. After a cut, and after a restart, the feed is asked to go on
behind the last id (Last-Event-ID). What an event holds is one line, line feeds within it included.

A status of 204 asks a browser to stop for good. A daemon that ended for it would have to be noticed and
started again by a person, so it says that nothing comes, and asks again every few minutes.
"""

from hashlib import sha256
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from headrace.ops.settings import Setting
from producers.reading.event_stream import EventStream
from producers.reading.fetch import Answer, Call, End, Fetch
from producers.reading.retrying import Retrying
from producers.reading.source import NOTHING_NOW, Chunk, Opening, Source
from producers.reading.web_address import check_server

FORMAT = "ndjson"

_WAIT_SECONDS = 0.1  # so that a request to stop is seen while nothing comes
_CONTENT_TYPE = "text/event-stream"

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Printable = Annotated[str, msgspec.Meta(pattern=r"^[!-~]([ -~]*[!-~])?(?!\n)$")]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One feed."""

    url: Annotated[str, Setting("HEADRACE_SSE_URL", "the feed's address, https://…")]
    events: Annotated[
        tuple[str, ...], Setting("HEADRACE_SSE_EVENTS", "the types of events to take; all by default")
    ] = ()
    user_agent: Annotated[
        _Printable,
        Setting("HEADRACE_SSE_USER_AGENT", "who asks; public feeds want a way to reach you in it"),
    ] = f"headrace/{version('headrace')}"
    idle_seconds: Annotated[
        _Positive,
        Setting("HEADRACE_SSE_IDLE_SECONDS", "seconds without a byte, not even a comment, until a new try"),
    ] = 60.0
    connect_seconds: Annotated[
        _Positive, Setting("HEADRACE_SSE_CONNECT_SECONDS", "seconds that a connection may take")
    ] = 10.0
    retry_seconds: Annotated[
        _Positive, Setting("HEADRACE_SSE_RETRY_SECONDS", "the longest wait after a first failure")
    ] = 2.0
    longest_retry_seconds: Annotated[
        _Positive, Setting("HEADRACE_SSE_LONGEST_RETRY_SECONDS", "the longest wait after many failures")
    ] = 60.0
    proxy: Annotated[
        str | None,
        Setting("HEADRACE_SSE_PROXY", "the proxy's address, http://…; the environment's is not used"),
    ] = None
    ca_file: Annotated[
        str | None,
        Setting("HEADRACE_SSE_CA_FILE", "a file of authorities to trust instead of the usual ones"),
    ] = None

    def __post_init__(self) -> None:
        """Raise SettingsError for what cannot lead to a server."""
        check_server(self.url, self.proxy, self.ca_file)


def open_source(settings: Settings, opening: Opening) -> Source:
    """Begin nothing yet: the first `read` connects."""
    return SseSource(settings, opening)


def input_name(url: str) -> str:
    """Under what its places are kept: its host, and a digest, since a query may hold a key."""
    return f"{urlsplit(url).hostname}.{sha256(url.encode()).hexdigest()[:12]}"


class SseSource(Source):
    """The events of one feed, connection after connection."""

    def __init__(self, settings: Settings, opening: Opening) -> None:
        self._settings = settings
        self._clock = opening.clock
        self._name = input_name(settings.url)
        last_id = opening.places.get(self._name, "").encode()
        self._events = EventStream(last_id, opening.quarantine, wanted=settings.events)
        self._retrying = Retrying(
            urlsplit(settings.url).hostname or "",
            opening.clock,
            opening.draw,
            first=settings.retry_seconds,
            longest=settings.longest_retry_seconds,
            name=opening.name,
        )
        self._fetch: Fetch | None = None
        self._brought_something = False

    def read(self) -> Chunk:
        """The events that came; waits a little for them."""
        if self._events.blocked:
            self._events.feed(b"")
        elif not self._events.is_ready:
            self._more()
        self.trouble = self._retrying.trouble
        return self._events.chunk(self._name) if self._events.is_ready else NOTHING_NOW

    def close(self) -> None:
        """Hang up."""
        if self._fetch is not None:
            self._fetch.close()
            self._fetch = None
            self._events.begin()

    def _more(self) -> None:
        fetch = self._fetch
        if fetch is None:
            if not self._retrying.is_over():
                return
            self._brought_something = False
            fetch = self._fetch = Fetch(self._call())
        for item in fetch.arriving(self._clock, _WAIT_SECONDS):
            match item:
                case bytes(piece):
                    self._brought_something = True
                    self._retrying.succeeded()
                    self._events.feed(piece)
                case Answer() as answer:
                    self._begin(answer)
                case End(failure):
                    self._end(failure)
            if self._fetch is not fetch or self._events.is_ready:
                return

    def _call(self) -> Call:
        settings = self._settings
        headers: dict[str, str | bytes] = {
            "Accept": _CONTENT_TYPE,
            "Cache-Control": "no-store",
            "User-Agent": settings.user_agent,
        }
        last_id = self._events.last_id.strip(b" \t")
        if last_id:
            headers["Last-Event-ID"] = last_id
        return Call(
            settings.url,
            headers,
            settings.connect_seconds,
            settings.idle_seconds,
            settings.proxy,
            settings.ca_file,
        )

    def _begin(self, answer: Answer) -> None:
        """Go on with a feed; hang up on anything else."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status == HTTPStatus.OK and kind == _CONTENT_TYPE:
            return
        self.close()
        if answer.status == HTTPStatus.OK:
            self._retrying.refused(f"what it sends is no {_CONTENT_TYPE}", "malformed")
        elif answer.status == HTTPStatus.NO_CONTENT:
            self._retrying.refused("it asks not to be asked again (204)", "status")
        else:
            self._retrying.answered(answer)

    def _end(self, failure: str) -> None:
        self.close()
        self._retrying.failed(
            failure or "the feed ended",
            "connection" if failure else "ended",
            at_least=self._events.retry_seconds,
            quietly=self._brought_something,
        )
