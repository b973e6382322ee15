"""One GET, done in a thread of its own: its answer comes in pieces, and can be given up at any moment."""

import queue
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from headrace.ops.clock import Clock
from producers.reading.fetch_failure import AnswerRefused, failure_text

PIECE_BYTES = 1 << 16
_WAITING_PIECES = 8  # memory: so many at most wait to be taken, then the server has to
_MOST_REDIRECTS = 5
_PIECES_AT_ONCE = 64
_OFFER_SECONDS = 0.1
_JOIN_SECONDS = 2.0
_ENDS_READING = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, zlib.error)


class Call(NamedTuple):
    """What to get. `read_seconds` may pass without a byte; `ca_file` None: the usual authorities."""

    url: str
    headers: Mapping[str, str | bytes]
    connect_seconds: float
    read_seconds: float
    proxy: str | None = None
    ca_file: str | None = None
    query: Mapping[str, str] = {}


class Answer(NamedTuple):
    """The head of the answer; its headers' names are found in any case."""

    status: int
    headers: Mapping[str, str]


class End(NamedTuple):
    """Nothing more comes: `failure` says why, empty where the answer is complete."""

    failure: str


class Fetch:
    """Gives the answer's head, then pieces of its body without their gzip, then an end."""

    def __init__(self, call: Call) -> None:
        """Begin."""
        self._call = call
        self._items: queue.Queue[Answer | bytes | End | Exception] = queue.Queue(_WAITING_PIECES)
        self._stopping = threading.Event()
        self._response: requests.Response | None = None
        self._thread = threading.Thread(target=self._run, name="fetch", daemon=True)
        self._thread.start()

    def arriving(self, clock: Clock, seconds: float) -> Iterator[Answer | bytes | End]:
        """What comes within that time, and not more than a few MiB."""
        deadline = clock.monotonic() + seconds
        for _ in range(_PIECES_AT_ONCE):
            item = self._take(max(0.0, deadline - clock.monotonic()))
            if item is None:
                return
            yield item

    def close(self) -> None:
        """Give it up; a thread that still waits for the server's first byte ends when its time is over."""
        self._stopping.set()
        response = self._response
        if response is not None:
            with suppress(ValueError, RuntimeError, OSError):  # it has ended by itself
                response.raw.shutdown()
            self._thread.join(_JOIN_SECONDS)

    def _take(self, seconds: float) -> Answer | bytes | End | None:
        try:
            item = self._items.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        return item

    def _run(self) -> None:
        try:
            with closing(HTTPAdapter()) as adapter:
                self._transfer(adapter)
            self._offer(End(""))
        except _ENDS_READING as error:
            self._offer(End(failure_text(error, self._call.connect_seconds, self._call.read_seconds)))
        except Exception as error:  # noqa: BLE001  `take` raises it
            self._offer(error)

    def _transfer(self, adapter: HTTPAdapter) -> None:
        with closing(self._answer(adapter)) as response:
            self._response = response
            self._offer(Answer(response.status_code, response.headers))
            for piece in _plain(response):
                if self._stopping.is_set():
                    return
                self._offer(piece)

    def _answer(self, adapter: HTTPAdapter) -> requests.Response:
        """The answer, behind redirects; never from https to http, where all could read it."""
        url, query = self._call.url, self._call.query
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._ask(adapter, url, query)
            target = response.headers.get("location") if response.is_redirect else None
            if target is None:
                return response
            response.close()
            url, query = urljoin(response.url, target), {}
            if urlsplit(response.url).scheme == "https" != urlsplit(url).scheme:
                raise AnswerRefused("a redirect leads from https to another scheme")
        raise AnswerRefused(f"more than {_MOST_REDIRECTS} redirects")

    def _ask(self, adapter: HTTPAdapter, url: str, query: Mapping[str, str]) -> requests.Response:
        call = self._call
        if urlsplit(url).scheme not in {"http", "https"}:
            raise AnswerRefused("a redirect leads to what is neither http nor https")
        request = requests.Request(
            "GET", url, headers={**call.headers, "Accept-Encoding": "gzip"}, params=query
        )
        return adapter.send(
            request.prepare(),
            stream=True,
            timeout=(call.connect_seconds, call.read_seconds),
            verify=call.ca_file or True,
            proxies={"http": call.proxy, "https": call.proxy} if call.proxy else {},
        )

    def _offer(self, item: Answer | bytes | End | Exception) -> None:
        """Wait until it is taken, or nobody wants it any more."""
        while not self._stopping.is_set():
            with suppress(queue.Full):
                self._items.put(item, timeout=_OFFER_SECONDS)
                return


def _plain(response: requests.Response) -> Iterator[bytes]:
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    pieces = iter(lambda: response.raw.read1(PIECE_BYTES, decode_content=False), b"")
    if coding in {"gzip", "x-gzip"}:
        return inflated(pieces)
    if coding in {"identity", ""}:
        return pieces
    raise AnswerRefused("the answer is in a coding that was not asked for")


def inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content of gzip bytes, as soon as it can be told, in pieces of 64 KiB at most.

    Raises zlib.error for what is no gzip.
    """
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for piece in pieces:
        rest, more = piece, True
        while more:
            plain = inflater.decompress(rest, PIECE_BYTES)
            if plain:
                yield plain
            rest, more = inflater.unconsumed_tail, len(plain) == PIECE_BYTES
            if inflater.eof and inflater.unused_data:
                rest, more = inflater.unused_data, True
                inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
