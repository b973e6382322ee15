"""An API of people like random-user's, with people that a seed makes up, and answers as a script says."""

import gzip
import random
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.doubles.web_server import Request, WebServer

_NAMES = ("Ada", "Björn", "Chloé", "Dmitri", "Eleni", "Fatima", "Gül", "山田", "Ólafur", "Zoë")
_PLACES = (("NZ", "New Zealand", 6011), ("GB", "United Kingdom", "SW1A 1AA"), ("CH", "Switzerland", 8001))


class People:
    """Made-up persons in the API's shape. `secrets` are the values that nobody may ever see again."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self.secrets: list[str] = []

    def some(self, count: int) -> list[dict[str, Any]]:
        return [self.one() for _ in range(count)]

    def one(self) -> dict[str, Any]:
        draw = self._random
        first, last = draw.choice(_NAMES), draw.choice(_NAMES)
        nationality, country, postcode = draw.choice(_PLACES)
        born = datetime(1950, 1, 1, tzinfo=UTC) + timedelta(seconds=draw.randrange(1_500_000_000))
        return {
            "gender": draw.choice(("female", "male")),
            "name": {"title": "Mx", "first": first, "last": last},
            "location": {
                "street": {"number": draw.randrange(1, 9999), "name": f"{last} Street"},
                "city": "Wherever",
                "state": "Anywhere",
                "country": country,
                "postcode": postcode,
                "coordinates": {
                    "latitude": f"{draw.uniform(-90, 90):.4f}",
                    "longitude": f"{draw.uniform(-180, 180):.4f}",
                },
                "timezone": {"offset": "+12:00", "description": "Auckland, Wellington"},
            },
            "email": f"{draw.randrange(10**9)}@example.com",
            "login": {
                "uuid": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
                "username": f"user{draw.randrange(10**6)}",
                **{name: self._secret() for name in ("password", "salt", "md5", "sha1", "sha256")},
            },
            "dob": {"date": f"{born:%Y-%m-%dT%H:%M:%S.123Z}", "age": 2026 - born.year},
            "registered": {"date": "2015-04-03T02:23:05.536Z", "age": 11},
            "phone": "04 123 4567",
            "cell": "021 123 4567",
            "id": {"name": "TFN", "value": self._secret()},
            "picture": {name: f"https://example.com/{name}.jpg" for name in ("large", "medium", "thumbnail")},
            "nat": nationality,
        }

    def _secret(self) -> str:
        self.secrets.append(f"{self._random.getrandbits(64):016x}")
        return self.secrets[-1]


@dataclass(frozen=True)
class Reply:
    """One answer. `people`: these instead of new ones; `body`: these bytes instead of an answer's."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    people: list[Any] | None = None
    body: bytes | None = None
    etag: str | None = None
    gzip: bool = False
    cut: int | None = None
    stalls: bool = False


class RandomUserApi(WebServer):
    """Answers `?results=N` with N new people; a request meets the next reply of the script, or the usual."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self.people = People(seed)
        self.usual = Reply()
        self._script: deque[Reply] = deque()

    def script(self, *replies: Reply) -> None:
        self._script.extend(replies)

    def answer(self, request: Request) -> None:
        reply = self._script.popleft() if self._script else self.usual
        if reply.stalls:
            with self.changed:
                self.changed.wait_for(lambda: self.closing, 60)
            return
        if reply.etag is not None and request.headers["If-None-Match"] == reply.etag:
            request.head(304, ETag=reply.etag)
            return
        body = self._body(reply, request)
        headers = reply.headers | ({"ETag": reply.etag} if reply.etag is not None else {})
        if reply.gzip:
            assert request.headers["Accept-Encoding"] == "gzip"
            body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
        request.head(reply.status, Content_Type="application/json", Content_Length=len(body), **headers)
        request.wfile.write(body[: reply.cut])

    def _body(self, reply: Reply, request: Request) -> bytes:
        if reply.body is not None:
            return reply.body
        if reply.status != 200:
            return b'{"error":"by the double"}'
        count = int(parse_qs(urlsplit(request.path).query)["results"][0])
        people = self.people.some(count) if reply.people is None else reply.people
        return msgspec.json.encode({"results": people, "info": {"version": "1.4"}})
