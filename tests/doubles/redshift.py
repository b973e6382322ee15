"""Redshift on PostgreSQL: a server between the real driver and the tests' PostgreSQL.

It translates what Redshift takes and PostgreSQL does not, refuses what Redshift refuses, executes COPY from a
bucket in the driver's own transaction, and fails where it is told to.
"""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from tests.doubles import redshift_rules as rules
from tests.doubles.redshift_bucket import Bucket, copied

STARTUP_PARAMETERS = ("user", "database", "application_name")
BYTEA, VARBYTE = 17, 6551
SERIALIZABLE = {
    "S": "ERROR",
    "C": "XX000",
    "M": "1023",
    "D": "Serializable isolation violation on table - 100167, transactions forming the cycle are: 1, 2",
}
Message = tuple[bytes, bytes]


class Fault(Enum):
    """What becomes of a statement."""

    VIOLATION = "refused with 1023"
    CUT_BEFORE = "the line breaks before the server has it"
    CUT_AFTER = "the line breaks once the server has done it"


Faults = Callable[[str], Fault | None]


@dataclass
class RedshiftDouble:
    """The server; `faults` is asked about every statement when it is to be executed."""

    url: str
    bucket: Bucket
    faults: Faults = lambda _text: None
    statements: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """As HEADRACE_WAREHOUSE_URL."""
        role = "arn:aws:iam::123456789012:role/copy"
        return (
            f"redshift://127.0.0.1:{self.port}{urlsplit(self.url).path}?workgroup=headrace&region=eu-west-1"
            f"&staging=s3://{self.bucket.name}/loads&copy_role={role}"
        )

    def login(self) -> dict[str, Any]:
        """What the driver takes."""
        place = urlsplit(self.url)
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "database": place.path[1:],
            "user": place.username,
            "password": place.password,
            "ssl": False,
        }

    @contextmanager
    def serving(self) -> Iterator["RedshiftDouble"]:
        double = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                place = urlsplit(double.url)
                with (
                    suppress(OSError, EOFError),
                    socket.create_connection((place.hostname or "", place.port or 0)) as server,
                ):
                    _Line(double, _Wire(self.request), _Wire(server)).run()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        with Server(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            yield self
            server.shutdown()


class _Wire:
    """Messages of the PostgreSQL protocol on a socket."""

    def __init__(self, end: socket.socket) -> None:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._end = end
        self._file = end.makefile("rb")

    def exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def read(self) -> Message:
        code, length = struct.unpack("!ci", self.exactly(5))
        return code, self.exactly(length - 4)

    def send(self, *messages: Message) -> None:
        self._end.sendall(b"".join(code + struct.pack("!i", len(data) + 4) + data for code, data in messages))

    def send_startup(self, data: bytes) -> None:
        self._end.sendall(struct.pack("!i", len(data) + 4) + data)

    def cut(self) -> None:
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)


class _Line:
    """One connection. The driver parses a statement, waits, then binds and executes it, and waits."""

    def __init__(self, double: RedshiftDouble, client: _Wire, server: _Wire) -> None:
        self._double = double
        self._client = client
        self._server = server
        self._text = ""
        self._transaction = rules.Transaction()
        self._varbytes: set[int] = set()

    def run(self) -> None:
        self._log_in()
        while True:
            group = [self._client.read()]
            while group[-1][0] != b"S":
                if group[-1][0] == b"X":
                    return
                group.append(self._client.read())
            group = [message for message in group if message[0] != b"H"]
            if not self._answered(group):
                return

    def _log_in(self) -> None:
        (length,) = struct.unpack("!i", self._client.exactly(4))
        data = self._client.exactly(length - 4)
        words = data[4:].rstrip(b"\0").split(b"\0")
        said = dict(zip(words[::2], words[1::2], strict=True))
        kept = b"".join(name.encode() + b"\0" + said[name.encode()] + b"\0" for name in STARTUP_PARAMETERS)
        self._server.send_startup(data[:4] + kept + b"\0")
        while True:
            code, body = self._server.read()
            if code == b"R" and body[:4] == struct.pack("!i", 10):
                body = body[:-1]  # the driver takes the end of the list for one more mechanism
            self._client.send((code, body))
            if code == b"R" and struct.unpack("!i", body[:4])[0] in {3, 5, 10, 11}:
                self._server.send(self._client.read())
            if code in b"ZE":
                return

    def _answered(self, group: list[Message]) -> bool:
        """Answer what came up to a Sync; False when the line is cut."""
        parsed = next((body for code, body in group if code == b"P"), None)
        if parsed is not None:
            return self._parse(parsed, group)
        if any(code == b"E" for code, _ in group):
            return self._execute(group)
        self._server.send(*group)
        self._relay()
        return True

    def _parse(self, body: bytes, group: list[Message]) -> bool:
        name, text, rest = body.split(b"\0", 2)
        self._text = text.decode()
        self._double.statements.append(self._text)
        if refused := self._transaction.refusal(self._text):
            self._client.send(_error({"S": "ERROR", "C": "42601", "M": refused}), self._ready())
        elif rules.is_copy(self._text):
            self._client.send((b"1", b""), (b"t", b"\0\0"), (b"n", b""), self._ready())
        else:
            translated = rules.translated(self._text).encode()
            parse = (b"P", b"\0".join((name, translated, rest)))
            self._server.send(*(parse if code == b"P" else (code, data) for code, data in group))
            self._relay()
        return True

    def _execute(self, group: list[Message]) -> bool:
        fault = self._double.faults(self._text)
        if fault is Fault.VIOLATION:
            self._client.send(_error(SERIALIZABLE), self._ready())
            return True
        if fault is Fault.CUT_BEFORE:
            self._client.cut()
            return False
        if rules.is_copy(self._text):
            answer = self._copy()
        else:
            self._server.send(*group)
            answer = self._answer()
        if fault is Fault.CUT_AFTER:
            self._client.cut()
            return False
        self._client.send(*answer)
        return True

    def _copy(self) -> list[Message]:
        """COPY FROM STDIN of what the manifest names, on the server's side of the line."""
        name, manifest = rules.copy_parts(self._text)
        try:
            payloads = list(copied(self._double.bucket, manifest))
        except (KeyError, ValueError) as error:
            told = {"S": "ERROR", "C": "XX000", "M": "S3ServiceException", "D": f"  code:      8001\n{error}"}
            return [_error(told), self._ready()]
        self._server.send((b"Q", f"COPY {name} FROM STDIN".encode() + b"\0"))
        first = self._server.read()
        if first[0] == b"G":
            self._server.send(*((b"d", payload) for payload in payloads), (b"c", b""))
            return [(b"2", b""), *self._answer()]
        return [_translated_error(first), *self._answer()]

    def _answer(self) -> list[Message]:
        """The server's messages up to its ReadyForQuery, as Redshift would give them."""
        found: list[Message] = []
        while not found or found[-1][0] != b"Z":
            code, body = self._server.read()
            if code == b"T":
                body, self._varbytes = _redshift_columns(body)
            elif code == b"D" and self._varbytes:
                body = _redshift_values(body, self._varbytes)
            elif code == b"E":
                code, body = _translated_error((code, body))
            found.append((code, body))
        self._transaction.status = found[-1][1]
        return found

    def _relay(self) -> None:
        self._client.send(*self._answer())

    def _ready(self) -> Message:
        return b"Z", self._transaction.status


def _error(told: dict[str, str]) -> Message:
    return b"E", b"".join(code.encode() + text.encode() + b"\0" for code, text in told.items()) + b"\0"


def _translated_error(message: Message) -> Message:
    """A serialization failure, and the check of a text's length in bytes, in Redshift's words."""
    told = {part[:1].decode(): part[1:].decode() for part in message[1].split(b"\0") if part}
    if told["C"] == "40001":
        return _error(SERIALIZABLE)
    if told["C"] == "23514":
        return _error({"S": "ERROR", "C": "22001", "M": "Value too long for character type"})
    return message


def _redshift_columns(body: bytes) -> tuple[bytes, set[int]]:
    """RowDescription with VARBYTE for bytea, and which columns that are."""
    (count,) = struct.unpack("!h", body[:2])
    data, place, found = bytearray(body), 2, set()
    for column in range(count):
        place = body.index(b"\0", place) + 7
        if struct.unpack("!i", body[place : place + 4])[0] == BYTEA:
            data[place : place + 4] = struct.pack("!i", VARBYTE)
            found.add(column)
        place += 12
    return bytes(data), found


def _redshift_values(body: bytes, varbytes: set[int]) -> bytes:
    r"""DataRow with VARBYTE as bare digits: PostgreSQL's text begins with \x."""
    (count,) = struct.unpack("!h", body[:2])
    data, place = bytearray(body[:2]), 2
    for column in range(count):
        (length,) = struct.unpack("!i", body[place : place + 4])
        value = body[place + 4 : place + 4 + max(length, 0)]
        place += 4 + max(length, 0)
        if column in varbytes and length >= 0:
            value = value[2:]
        data += struct.pack("!i", length if length < 0 else len(value)) + value
    return bytes(data)
