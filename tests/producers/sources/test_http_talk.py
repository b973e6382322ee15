import gzip
import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socket import SHUT_WR

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.ops.clock import SystemClock
from tests.producers.sources.pushed import NDJSON, Push, connect, line, own, read_all

BATCH, EVENT = "application/cloudevents-batch+json", "application/cloudevents+json"


@pytest.fixture
def push(tmp_path: Path) -> Iterator[Push]:
    with Push(tmp_path, SystemClock()) as made:
        yield made


def test_what_is_no_http_is_400(push: Push) -> None:
    with connect(push.port) as connection:
        connection.sendall(b"EHLO mail\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


def test_long_headers_are_431(push: Push) -> None:
    with connect(push.port) as connection:
        connection.sendall(b"POST /records HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000)
        assert read_all(connection).startswith(b"HTTP/1.1 431 ")


def test_a_body_without_a_length_is_411(push: Push) -> None:
    with connect(push.port) as connection:
        connection.sendall(b"POST /records HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 411 ")


def test_a_connection_serves_many_requests_also_after_a_refusal(push: Push) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", push.port, timeout=20)
    connection.connect()
    socket, statuses = connection.sock, []
    for method, path, body in [
        ("POST", "/records", line()),
        ("POST", "/nowhere", line()),
        ("GET", "/records", None),
        ("HEAD", "/records", None),
        ("POST", "/records", line()),
    ]:
        connection.request(method, path, body, {"Content-Type": NDJSON})
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    kept = connection.sock
    connection.close()
    assert statuses == [202, 404, 405, 405, 202]
    assert kept is socket


def test_a_client_that_expects_100_hears_it_only_when_its_body_is_wanted(push: Push) -> None:
    head = (
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
        b"Expect: 100-continue\r\n%s\r\n"
    )
    body = line()
    with connect(push.port) as connection:
        connection.sendall(head % (b"/records", NDJSON.encode(), len(body), b"Connection: close\r\n"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_all(connection).startswith(b"HTTP/1.1 202 ")
    with connect(push.port) as connection:
        connection.sendall(head % (b"/nowhere", NDJSON.encode(), len(body), b""))
        assert read_all(connection).startswith(b"HTTP/1.1 404 ")


@dataclass
class Tried:
    body: bytes
    kind: str
    packed: bool


_pieces = st.sampled_from(
    [
        line("/x"),
        own(3),
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b"\n",
        b"\r\n",
        b"\xff",
        b"\x00",
        b'"',
        b"null",
        b"1e999",
        b"\\ud800",
    ]
) | st.binary(max_size=8)
_tried = st.builds(
    Tried,
    st.lists(_pieces, max_size=12).map(b"".join)
    | st.lists(_pieces, max_size=5).map(b"\n".join)
    | st.lists(_pieces, max_size=5).map(lambda found: b"[" + b",".join(found) + b"]"),
    st.sampled_from([NDJSON, BATCH, EVENT]),
    st.booleans(),
)


def test_no_body_is_taken_in_part_or_answered_with_500(push: Push) -> None:
    counted = [0]

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_tried)
    def check(tried: Tried) -> None:
        body = gzip.compress(tried.body) if tried.packed else tried.body
        headers = {"Content_Encoding": "gzip"} if tried.packed else {}
        answer = push.post(body, Content_Type=tried.kind, **headers)
        assert answer.status in (202, 400, 422)
        taken = len(push.events()) + len(push.passed()) - counted[0]
        assert taken == (answer.json["accepted"] if answer.status == 202 else 0)
        counted[0] += taken

    check()


_talk = st.lists(
    st.sampled_from(
        [
            b"POST /records HTTP/1.1\r\nHost: x\r\n",
            b"GET / HTTP/1.0\r\n",
            b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n",
            b"POST //[ HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n",
            b"Content-Type: application/x-ndjson\r\n",
            b"Content-Length: 3\r\n",
            b"Content-Length: -1\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Expect: 100-continue\r\n",
            b"Idempotency-Key: \xff\xfe\r\n",
            b"Content-Encoding: gzip\r\n",
            b"\r\n",
            b"3\r\n{}\n\r\n0\r\n\r\n",
            b"\x00",
        ]
    )
    | st.binary(max_size=5),
    max_size=8,
).map(b"".join)


def test_whatever_a_client_says_the_server_goes_on_and_is_not_at_fault(push: Push) -> None:
    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_talk)
    def check(said: bytes) -> None:
        with connect(push.port) as connection:
            connection.sendall(said)
            connection.shutdown(SHUT_WR)
            assert b"HTTP/1.1 5" not in read_all(connection)

    check()
    assert push.post(line()).status == 202
    assert len(push.events()) == 1


def test_many_clients_at_a_time_each_record_once(push: Push) -> None:
    def client(name: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", push.port, timeout=20)
        for number in range(20):
            connection.request("POST", "/records", line(f"/{name}/{number}"), {"Content-Type": NDJSON})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202
        connection.close()

    threads = [threading.Thread(target=client, args=(name,)) for name in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(push.paths()) == sorted(f"/{name}/{number}" for name in range(10) for number in range(20))
