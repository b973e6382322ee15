"""An HTTP source with a real spool behind it, and a client."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from headrace.ops.clock import Clock
from headrace.schemas.codec import Event, decode
from producers.intake import Intake
from producers.line_format import choose
from producers.quarantine import Quarantine
from producers.reader import Reader
from producers.reading.source import Opening, Source
from producers.sources.http import HttpSource, Settings, open_source
from producers.spool.export import Wanted, export
from producers.spool.spool import Spool

NDJSON = "application/x-ndjson"
_ulids = count(1)


def line(path: str = "/1", **more: object) -> bytes:
    """A record as a client writes it, of the input's type."""
    data = {"client_address": None, "method": "GET", "path": path, "status": 200}
    return json.dumps({"time": "2026-11-21T12:00:00Z", "data": data} | more).encode()


def own(number: int, path: str = "/1", source: str = "till-4", **more: object) -> bytes:
    """A CloudEvent that brings its own source and sequence."""
    event: dict[str, object] = {"specversion": "1.0", "id": str(number), "type": "web_access.v1"}
    return line(path, **(event | {"source": source, "sequence": f"{number:016d}"} | more))


@dataclass
class Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int, method: str = "POST", path: str = "/records", body: Any = None, **headers: str
) -> Answered:
    """One request on a connection of its own; `Content_Type` stands for Content-Type."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        named.setdefault("Content-Type", NDJSON)
    try:
        connection.request(
            method, path, body, named, encode_chunked=named.get("Transfer-Encoding") == "chunked"
        )
        answer = connection.getresponse()
        return Answered(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_all(connection: socket.socket) -> bytes:
    """Until the other side closes."""
    found = b""
    while part := connection.recv(1 << 16):
        found += part
    return found


def wait_for(is_so: Callable[[], bool]) -> None:
    beat = threading.Event()
    for _ in range(500):
        if is_so():
            return
        beat.wait(0.02)
    raise AssertionError


class Way:
    """A source, read on a thread into a spool. `hold` keeps the thread from reading, `let_go` ends that."""

    def __init__(self, source: Source, spool: Spool, reader: Reader) -> None:
        self.spool = spool
        self.source = source
        self.reader = reader
        self._free = threading.Event()
        self._free.set()
        self._stopping = threading.Event()
        self._resting = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def hold(self) -> None:
        self._free.clear()
        assert self._resting.wait(20)

    def let_go(self) -> None:
        self._resting.clear()
        self._free.set()

    def end(self) -> None:
        """As a pipeline does on SIGTERM."""
        self._stopping.set()
        self.let_go()
        self._thread.join()
        self.reader.commit()
        self.reader.close()

    def kill(self) -> None:
        """Stop reading; commit nothing."""
        self._stopping.set()
        self.let_go()
        self._thread.join()
        self.source.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._free.is_set():
                self._resting.set()
                self._free.wait()
                continue
            self._stopping.wait(self.reader.step())


class Push:
    """Entered: it takes records; it can be entered again, as a daemon that begins anew."""

    def __init__(self, directory: Path, clock: Clock, record_type: str | None = "web_access.v1") -> None:
        self._directory = directory
        self._clock = clock
        self._chosen = choose("ndjson", record_type, None)
        self.settings = Settings(port=0)
        self.spool_bytes = 8 << 20
        self.rate: float | None = None
        self.main: Way
        self.passing: Way

    def __enter__(self) -> Self:
        spool = self._spool(self._directory / "spool")
        self.source = self._open(spool)
        self.main = self._way(self.source, spool, numbered=True)
        self.passing = self._way(
            self.source.passing, self._spool(self._directory / "spool/passing"), numbered=False
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.main.end()
        self.passing.end()
        self.main.spool.close()
        self.passing.spool.close()

    @property
    def port(self) -> int:
        return self.source.port

    def post(self, *lines: bytes, path: str = "/records", **headers: str) -> Answered:
        return ask(self.port, "POST", path, b"\n".join(lines), **headers)

    def events(self) -> list[Event]:
        """What is on disk under the spool's own numbers, in order."""
        return _events(self._directory / "spool")

    def passed(self) -> list[Event]:
        """What is on disk under numbers of its own."""
        return _events(self._directory / "spool/passing")

    def paths(self) -> list[str]:
        return [event.data.path for event in self.events()]

    def _open(self, spool: Spool) -> HttpSource:
        opening = Opening(
            places=dict(spool.positions),
            quarantine=Quarantine(spool.quarantine),
            directory=spool.directory,
            clock=self._clock,
            draw=lambda: 0.5,
            seal=self._chosen.sealer(),
            has_room=spool.budget.has_room,
        )
        return open_source(self.settings, opening)

    def _spool(self, directory: Path) -> Spool:
        return Spool(
            directory,
            name="web-7",
            machine="m",
            new_ulid=lambda: f"{next(_ulids):026d}",
            budget_bytes=self.spool_bytes,
            segment_bytes=self.spool_bytes // 8,
        )

    def _way(self, source: Source, spool: Spool, *, numbered: bool) -> Way:
        seal = self._chosen.sealer() if numbered else lambda line, _source, _number: line
        intake = Intake(spool, seal, Quarantine(spool.quarantine), self._clock, self._chosen.record_type)
        return Way(
            source, spool, Reader(source, intake, spool, self._clock, group_bytes=1 << 20, rate=self.rate)
        )


def _events(directory: Path) -> list[Event]:
    found = []
    for exported in export(directory, Wanted(waiting=False)):
        event = decode(exported.record)
        assert isinstance(event, Event), event
        found.append(event)
    return found
