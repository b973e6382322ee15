"""A Kinesis of our own on 127.0.0.1, for boto3 and for our client, that can throttle, reshard and fail.

    with KinesisDouble(clock) as kinesis:
        kinesis.create_stream("events", shards=4)
        kinesis.faults.script("PutRecords", Reset(after=True))

As a process: python -m tests.doubles.kinesis --port 4567 --stream events --shards 4 --fast
"""

import argparse
import signal
import socket
import socketserver
import struct
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import msgspec

from headrace.ops.clock import Clock, SystemClock
from tests.doubles.kinesis_answers import Refused
from tests.doubles.kinesis_api import KinesisApi
from tests.doubles.kinesis_faults import Cut, Fault, Faults, Late, Refuse, Reset, Stall
from tests.doubles.kinesis_stream import Shard, StoredRecord, Stream

_REASONS = {200: "OK", 400: "Bad Request", 429: "Too Many Requests", 500: "Error", 503: "Unavailable"}
_LARGEST_SKEW = timedelta(minutes=5)


class Request(NamedTuple):
    """What came in: header names in lower case."""

    headers: dict[str, str]
    body: bytes


class _Half(NamedTuple):
    """The bytes that are sent before the connection ends."""

    content: bytes


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, double: "KinesisDouble", port: int) -> None:
        self.double = double
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Connection)

    def handle_error(self, *_: object) -> None:
        """A fault of the double itself, kept for the end of the test."""
        self.double.crashes.append(traceback.format_exc())


class _Connection(socketserver.StreamRequestHandler):
    """One keep-alive connection; a lean reader, since the standard one costs more than the answers."""

    server: _Server
    wbufsize = 0
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.server.connections.add(self.connection)
        try:
            while self._one_request():
                pass
        except (ConnectionError, TimeoutError, ValueError):
            pass  # the client, or the double going down, ended it
        finally:
            self.server.connections.discard(self.connection)

    def _one_request(self) -> bool:
        asked = self.rfile.readline(65537)
        if not asked:
            return False
        method, _, target = asked.decode("latin-1").partition(" ")
        if method != "POST" or urlsplit(target.partition(" ")[0]).path != "/":
            self.connection.sendall(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return False
        headers: dict[str, str] = {}
        while line := self.rfile.readline(65537).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", "0")))
        double = self.server.double
        answer = double.respond(headers, body)
        if answer is None:
            return False
        if isinstance(answer, Reset):
            linger = struct.pack("ii", 1, 0)  # so that close sends RST instead of FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return False
        if isinstance(answer, _Half):
            self.connection.sendall(answer.content)
            return False
        self.connection.sendall(answer)
        return True


class KinesisDouble:
    """The double as a context manager; `url` is its endpoint. Every switch may be turned while it runs."""

    def __init__(self, clock: Clock | None = None, *, port: int = 0, seed: int = 0) -> None:
        self.clock: Clock = clock or SystemClock()
        self.faults = Faults(seed)
        self.api = KinesisApi(self.clock, self.faults, seed=seed)
        self.check_signature_time = False
        self.latency_seconds = 0.0  # of each answer, in real time
        self.calls: list[str] = []  # the operations, in the order they came in
        self.requests: list[Request] | None = None  # a list to keep what came in
        self.crashes: list[str] = []
        self.port = port
        self._lock = threading.RLock()
        self._running = threading.Event()
        self._running.set()
        self._stalled = threading.Event()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *exc: object) -> None:
        self.down()
        assert not self.crashes, self.crashes[0]

    def up(self) -> None:
        """Listen; after `down`, on the same port again, with all state kept."""
        self._stalled.clear()
        self._server = _Server(self, self.port)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections and break those that stand."""
        if self._server is None:
            return
        self._stalled.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
        self._server = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take requests and answer none until the block ends."""
        self._running.clear()
        try:
            yield
        finally:
            self._running.set()

    # -- shortcuts for tests: the same effects as the calls, without HTTP

    def create_stream(self, name: str = "events", *, shards: int = 4) -> Stream:
        with self._lock:
            self.api.create_stream({"StreamName": name, "ShardCount": shards})
            return self.api.streams[name]

    def stream(self, name: str = "events") -> Stream:
        return self.api.streams[name]

    def records(self, name: str = "events", shard_id: str | None = None) -> list[StoredRecord]:
        """What the stream holds, by shard or all in the order in which they came."""
        with self._lock:
            shards = [s for s in self.stream(name).shards.values() if shard_id in (None, s.shard_id)]
            return sorted((r for s in shards for r in s.records), key=lambda record: record.sequence)

    def put(self, name: str, data: bytes, key: str = "k", hash_key: str | None = None) -> StoredRecord:
        with self._lock:
            stream = self.stream(name)
            now = self.api.now()
            return stream.append(stream.shard_for(key, hash_key), key, hash_key, data, now)

    def put_again(self, name: str, records: Sequence[StoredRecord]) -> None:
        """Deliver these records once more, in this order, each to where its key belongs now."""
        for record in records:
            self.put(name, record.data, record.partition_key, record.explicit_hash_key)

    def split(self, shard_id: str, name: str = "events", at: int | None = None) -> list[Shard]:
        """Split a shard, in the middle unless told where; returns the children."""
        with self._lock:
            shard = self.stream(name).shards[shard_id]
            middle = (shard.first + shard.last + 1) // 2 if at is None else at
            ask = {"StreamName": name, "ShardToSplit": shard_id, "NewStartingHashKey": str(middle)}
            self.api.split_shard(ask)
            return shard.children

    def merge(self, shard_id: str, other_id: str, name: str = "events") -> Shard:
        with self._lock:
            ask = {"StreamName": name, "ShardToMerge": shard_id, "AdjacentShardToMerge": other_id}
            self.api.merge_shards(ask)
            return self.stream(name).shards[shard_id].children[0]

    # -- HTTP

    def respond(self, headers: dict[str, str], body: bytes) -> bytes | _Half | Reset | None:
        """The whole HTTP answer or half of it, Reset to break the connection, None to close it."""
        self._running.wait()
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        with self._lock:
            self.calls.append(operation)
            if self.requests is not None:
                self.requests.append(Request(headers, body))
            fault = self.faults.draw(operation)
            answer = self._before(fault)
            if answer is None:
                answer = self._effect(operation, headers, body, fault)
        if isinstance(fault, Late) and not self._stalled.wait(fault.seconds):
            with self._lock:
                self._effect(operation, headers, body, None)
        if isinstance(fault, Stall | Late):
            self._stalled.wait()
            return None
        if self.latency_seconds:
            time.sleep(self.latency_seconds)
        if isinstance(fault, Cut) and isinstance(answer, bytes):
            return _Half(answer[: len(answer) // 2])
        return answer

    def _before(self, fault: Fault | None) -> bytes | Reset | None:
        if fault is None or getattr(fault, "after", True):
            return None
        return (
            self._error(fault.code, "by the double", fault.status) if isinstance(fault, Refuse) else Reset()
        )

    def _effect(
        self, operation: str, headers: dict[str, str], body: bytes, fault: Fault | None
    ) -> bytes | Reset:
        try:
            self._check_signature(headers)
            answer = self.api.answer(operation, msgspec.json.decode(body), fault)
        except Refused as refused:
            return self._error(refused.code, refused.message, refused.status)
        if isinstance(fault, Reset):
            return fault
        if isinstance(fault, Refuse):
            return self._error(fault.code, "by the double, after it took effect", fault.status)
        return self._http(200, answer)

    def _check_signature(self, headers: dict[str, str]) -> None:
        if not headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
        if self.check_signature_time:
            signed = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if abs(signed - self.clock.now()) > _LARGEST_SKEW:
                raise Refused("InvalidSignatureException", f"Signature expired: {headers['x-amz-date']}")

    def _error(self, code: str, message: str, status: int) -> bytes:
        return self._http(status, msgspec.json.encode({"__type": code, "message": message}))

    def _http(self, status: int, body: bytes) -> bytes:
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\n"
            f"Date: {format_datetime(self.clock.now(), usegmt=True)}\r\n"
            "Content-Type: application/x-amz-json-1.1\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stream")
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--fast", action="store_true", help="keep answers encoded: serve 200 MB/s")
    parser.add_argument("--throttle", action="store_true", help="keep to the limits of a shard")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of each answer")
    arguments = parser.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with KinesisDouble(port=arguments.port) as double:
        double.api.keep_encoded = arguments.fast
        double.latency_seconds = arguments.latency_ms / 1000
        double.api.throttle_reads = double.api.throttle_writes = arguments.throttle
        if arguments.stream:
            double.create_stream(arguments.stream, shards=arguments.shards)
        print(double.url, flush=True)  # noqa: T201  the one thing that its starter needs to know
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
