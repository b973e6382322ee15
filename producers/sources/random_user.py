"""An HTTP API of people as a source, polled: random-user's, or one that answers alike.

Each person becomes one line, `{"polled_at": "2026-01-02T03:04:05Z", "person": {...}}`. Of a person only what
`KEPT` lists gets into the line: passwords, their salts and hashes, and national identity numbers come no
further than this module, and what the API adds one day does not either. What is not as listed keeps its JSON
type and loses its content, so that the line is rejected with its reason and its raw bytes hold no secret.

The place of a record is the answer's ETag and how many people of that answer were taken: an answer that has
not changed is not taken twice, and one that was taken in part is gone on with.
"""

from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import urlsplit

import msgspec

from headrace.ops.settings import Setting
from producers.reading.allowed import allow_list, cleaned
from producers.reading.fetch import Answer, Call, End, Fetch
from producers.reading.retrying import Retrying
from producers.reading.source import NOTHING_NOW, Chunk, Opening, Source
from producers.reading.web_address import check_server

FORMAT = "random-user"

KEPT = (
    "gender",
    "name.title",
    "name.first",
    "name.last",
    "location.street.number",
    "location.street.name",
    "location.city",
    "location.state",
    "location.country",
    "location.postcode",
    "location.coordinates.latitude",
    "location.coordinates.longitude",
    "location.timezone.offset",
    "location.timezone.description",
    "email",
    "login.uuid",
    "login.username",
    "dob.date",
    "dob.age",
    "registered.date",
    "phone",
    "cell",
    "nat",
    "picture.large",
)

_INPUT = "people"
_WAIT_SECONDS = 0.1  # so that a request to stop is seen while nothing comes
_LONGEST_ANSWER_SECONDS = 300.0
_LONGEST_ETAG = 1024

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Printable = Annotated[str, msgspec.Meta(pattern=r"^[!-~]([ -~]*[!-~])?(?!\n)$")]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One API; how many people a second are taken is the input's `rate`."""

    url: Annotated[str, Setting("HEADRACE_RANDOM_USER_URL", "the API's address")] = (
        "https://randomuser.me/api/"
    )
    results: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=5000)],
        Setting("HEADRACE_RANDOM_USER_RESULTS", "people to ask for in one poll"),
    ] = 100
    poll_seconds: Annotated[
        _Positive, Setting("HEADRACE_RANDOM_USER_POLL_SECONDS", "seconds from one poll to the next")
    ] = 10.0
    count: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        Setting("HEADRACE_RANDOM_USER_COUNT", "end after so many people; without it, never"),
    ] = None
    user_agent: Annotated[
        _Printable, Setting("HEADRACE_RANDOM_USER_USER_AGENT", "who asks; APIs want a way to reach you in it")
    ] = f"headrace/{version('headrace')}"
    connect_seconds: Annotated[
        _Positive, Setting("HEADRACE_RANDOM_USER_CONNECT_SECONDS", "seconds that a connection may take")
    ] = 10.0
    read_seconds: Annotated[
        _Positive, Setting("HEADRACE_RANDOM_USER_READ_SECONDS", "seconds without a byte until a poll fails")
    ] = 30.0
    answer_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=1024)],
        Setting("HEADRACE_RANDOM_USER_ANSWER_BYTES", "the most bytes of one answer, decompressed"),
    ] = 8 << 20
    retry_seconds: Annotated[
        _Positive, Setting("HEADRACE_RANDOM_USER_RETRY_SECONDS", "the longest wait after a first failure")
    ] = 2.0
    longest_retry_seconds: Annotated[
        _Positive,
        Setting("HEADRACE_RANDOM_USER_LONGEST_RETRY_SECONDS", "the longest wait after many failures"),
    ] = 120.0
    proxy: Annotated[
        str | None,
        Setting("HEADRACE_RANDOM_USER_PROXY", "the proxy's address, http://…; the environment's is not used"),
    ] = None
    ca_file: Annotated[
        str | None,
        Setting("HEADRACE_RANDOM_USER_CA_FILE", "a file of authorities to trust instead of the usual ones"),
    ] = None

    def __post_init__(self) -> None:
        """Raise SettingsError for what cannot lead to a server."""
        check_server(self.url, self.proxy, self.ca_file)


class _People(msgspec.Struct):
    """What is read of an answer."""

    results: list[Any]


_ALLOWED = allow_list(KEPT)
_decode = msgspec.json.Decoder(_People).decode
_encode = msgspec.json.Encoder().encode
_NO_PEOPLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def open_source(settings: Settings, opening: Opening) -> Source:
    """Begin nothing yet: the first `read` polls."""
    return RandomUserSource(settings, opening)


class _Taken(NamedTuple):
    """How many people of an answer, and of how many, were taken; as a place, `3/10 "etag"`."""

    people: int = 0
    of: int = 0
    etag: str = ""

    @classmethod
    def read(cls, place: str) -> Self:
        numbers, _, etag = place.partition(" ")
        people, _, of = numbers.partition("/")
        return cls(int(people), int(of), etag) if etag else cls()

    def place(self) -> bytes:
        return f"{self.people}/{self.of} {self.etag}".rstrip().encode()


class RandomUserSource(Source):
    """Polls for ever, or until so many people came as were asked for."""

    def __init__(self, settings: Settings, opening: Opening) -> None:
        self._settings = settings
        self._clock = opening.clock
        self._retrying = Retrying(
            urlsplit(settings.url).hostname or "",
            opening.clock,
            opening.draw,
            first=settings.retry_seconds,
            longest=settings.longest_retry_seconds,
            name=opening.name,
        )
        self._taken = _Taken.read(opening.places.get(_INPUT, ""))
        self._left = settings.count
        self._fetch: Fetch | None = None
        self._began_at = self._next_at = float("-inf")
        self._etag = ""
        self._body = bytearray()

    def read(self) -> Chunk | None:
        """The people of a poll, once it has come to its end; waits a little for that."""
        if self._left == 0:
            return None
        chunk = NOTHING_NOW
        if self._fetch is None and self._clock.monotonic() >= self._next_at and self._retrying.is_over():
            self._began_at, self._next_at = self._clock.monotonic(), float("-inf")
            self._fetch = Fetch(self._call())
        if self._fetch is not None:
            chunk = self._more(self._fetch)
        self.trouble = self._retrying.trouble
        return chunk

    def close(self) -> None:
        """Hang up."""
        if self._fetch is not None:
            self._fetch.close()
            self._fetch = None
        self._body = bytearray()

    def _call(self) -> Call:
        settings = self._settings
        headers: dict[str, str | bytes] = {"Accept": "application/json", "User-Agent": settings.user_agent}
        if self._taken.etag and self._taken.people == self._taken.of:
            headers["If-None-Match"] = self._taken.etag
        wanted = settings.results if self._left is None else min(settings.results, self._left)
        return Call(
            settings.url,
            headers,
            settings.connect_seconds,
            settings.read_seconds,
            settings.proxy,
            settings.ca_file,
            {"results": str(wanted)},
        )

    def _more(self, fetch: Fetch) -> Chunk:
        for item in fetch.arriving(self._clock, _WAIT_SECONDS):
            match item:
                case Answer() as answer:
                    self._begin(answer)
                case bytes(piece):
                    self._add(piece)
                case End(""):
                    return self._people()
                case End(failure):
                    self.close()
                    self._retrying.failed(failure, "connection")
            if self._fetch is None:
                return NOTHING_NOW
        if self._clock.monotonic() - self._began_at > _LONGEST_ANSWER_SECONDS:
            self.close()
            self._retrying.failed(
                f"its answer is not complete after {_LONGEST_ANSWER_SECONDS:.0f} s", "connection"
            )
        return NOTHING_NOW

    def _add(self, piece: bytes) -> None:
        self._body += piece
        limit = self._settings.answer_bytes
        if len(self._body) > limit:
            self.close()
            self._retrying.refused(f"its answer has more than answer_bytes, {limit:,}", "too_large")

    def _begin(self, answer: Answer) -> None:
        """Go on with an answer that holds people; hang up on anything else."""
        if answer.status == HTTPStatus.OK:
            etag = answer.headers.get("etag", "").strip()
            self._etag = etag if len(etag) <= _LONGEST_ETAG else ""
            return
        self.close()
        if answer.status == HTTPStatus.NOT_MODIFIED:
            self._succeed()
        else:
            self._retrying.answered(answer)

    def _people(self) -> Chunk:
        """The lines of a complete answer, but for those that were taken of it before."""
        body = bytes(self._body)
        self.close()
        try:
            results = _decode(body).results
        except _NO_PEOPLE as error:
            self._retrying.failed(f"its answer holds no people: {error}", "malformed")
            return NOTHING_NOW
        self._succeed()
        known = self._taken.people if self._etag and self._etag == self._taken.etag else 0
        people = results[known:][: self._left]
        if self._left is not None:
            self._left -= len(people)
        self._taken = _Taken(known + len(people), len(results), self._etag)
        now = self._clock.now()
        lines = [_encode({"polled_at": now, "person": cleaned(person, _ALLOWED)}) for person in people]
        places = [
            _Taken(number, len(results), self._etag).place()
            for number in range(known + 1, known + len(people) + 1)
        ]
        return Chunk(_INPUT, lines, places) if lines else NOTHING_NOW

    def _succeed(self) -> None:
        self._retrying.succeeded()
        self._next_at = self._began_at + self._settings.poll_seconds
