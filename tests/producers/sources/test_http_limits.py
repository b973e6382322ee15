import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from headrace.ops.clock import SystemClock
from producers.http.endpoint import Memory
from producers.sources import http as source
from producers.sources.http import Settings
from tests.doubles.clock import ManualClock
from tests.producers.sources.pushed import Answered, Push, connect, line, own, read_all, wait_for

Serve = Callable[..., Push]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A running push with these settings."""
    with ExitStack() as running:

        def run(**settings: object) -> Push:
            push = Push(tmp_path, SystemClock())
            push.spool_bytes = int(str(settings.pop("spool_bytes", 8 << 20)))
            push.settings = Settings(port=0, **settings)  # type: ignore[arg-type]
            return running.enter_context(push)

        yield run


# -- slow, many and large


def test_a_request_that_does_not_end_is_cut_off(serve: Serve) -> None:
    push = serve(request_seconds=0.3)
    head = b"POST /records HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
    with connect(push.port) as slow_head, connect(push.port) as slow_body:
        slow_head.sendall(head)
        slow_body.sendall(head + b"Content-Length: 500\r\n\r\n{")
        for connection in (slow_head, slow_body):
            answer = read_all(connection)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"connection: close" in answer.lower()
    assert push.post(line()).status == 202
    assert len(push.events()) == 1


def test_drops_do_not_lengthen_the_time_of_a_request(serve: Serve) -> None:
    push = serve(request_seconds=0.4)
    with connect(push.port) as connection:
        ended = threading.Event()

        def drip() -> None:
            connection.sendall(b"POST /records HTTP/1.1\r\n")
            while not ended.wait(0.05):
                try:
                    connection.sendall(b"X")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = connection.recv(100)
        ended.set()
        dripping.join()
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed(serve: Serve) -> None:
    push = serve(idle_seconds=0.2)
    with connect(push.port) as connection:
        assert read_all(connection) == b""


def test_one_connection_too_many_is_503(serve: Serve) -> None:
    push = serve(connections=2)
    with connect(push.port) as first, connect(push.port) as second:
        for connection in (first, second):
            connection.sendall(b"GET /records HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 405 ")
        with connect(push.port) as third:
            answer = read_all(third).lower()
            assert answer.startswith(b"http/1.1 503 ")
            assert b"retry-after: " in answer
    wait_for(lambda: push.post(line()).status == 202)


def test_bodies_of_all_requests_together_have_a_bound(serve: Serve) -> None:
    push = serve(memory_bytes=1_000)
    large = push.post(line("/" + "x" * 2_000))
    assert (large.status, "retry-after" in large.headers) == (429, True)
    for _ in range(20):
        assert push.post(line()).status == 202
    memory = Memory(10)
    assert [memory.take(6), memory.take(6)] == [True, False]
    memory.give_back(6)
    assert memory.take(10)


def test_a_gzip_bomb_is_413_and_never_unpacked(serve: Serve) -> None:
    push = serve(body_bytes=100_000)
    assert push.post(gzip.compress(bytes(90_000_000)), Content_Encoding="gzip").status == 413


# -- no room


def test_a_full_spool_is_429_until_it_has_room_again(serve: Serve) -> None:
    push = serve(spool_bytes=1 << 20)
    lines = [line(f"/{n}/" + "x" * 1000) for n in range(100)]
    statuses = [push.post(*lines).status for _ in range(12)]
    assert statuses == sorted(statuses)
    assert set(statuses) == {202, 429}
    full = push.post(*lines)
    assert "retry-after" in full.headers
    assert "nothing of the request was taken" in full.json["detail"]
    life = push.main.spool.life()
    life.acknowledge(life.spooled)
    assert push.post(*lines).status == 202
    assert len({event.sequence for event in push.events()}) <= 100 * (statuses.count(202) + 1)


def test_a_reader_that_does_not_come_is_429_and_the_request_is_taken_back(serve: Serve) -> None:
    push = serve(wait_seconds=0.3)
    for way, record in ((push.main, line()), (push.passing, own(1))):
        way.hold()
        answer = push.post(record, Idempotency_Key="a")
        assert (answer.status, "retry-after" in answer.headers) == (429, True)
        way.let_go()
    assert push.post(line("/2"), Idempotency_Key="a").status == 202
    assert (push.paths(), push.passed()) == (["/2"], [])


def test_a_queue_has_a_bound(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_QUEUED_BYTES", 10_000)
    push = serve(wait_seconds=0.5)
    push.main.hold()
    answers: list[Answered] = []
    lines = [line()] * 10
    threads = [threading.Thread(target=lambda: answers.append(push.post(*lines))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    push.main.let_go()
    assert {answer.status for answer in answers} == {429}


def test_while_the_disk_is_stuck_new_requests_need_not_wait_for_it(
    tmp_path: Path, clock: ManualClock
) -> None:
    with Push(tmp_path, clock) as push:
        push.main.hold()
        first: list[Answered] = []
        waiting = threading.Thread(target=lambda: first.append(push.post(line("/1"))))
        waiting.start()
        wait_for(lambda: push.source._lane.waiting_bytes > 0)
        clock.advance(3)
        assert push.post(line("/2")).status == 429
        push.main.let_go()
        waiting.join()
        assert push.post(line("/3")).status == 202
        assert ([answer.status for answer in first], push.paths()) == ([202], ["/1", "/3"])


# -- the end


def test_a_stop_answers_what_is_under_way(serve: Serve) -> None:
    push = serve()
    push.main.hold()
    with connect(push.port) as kept, connect(push.port) as asking:
        kept.sendall(b"GET /records HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(100).startswith(b"HTTP/1.1 405 ")
        body = line()
        asking.sendall(
            b"POST /records HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        wait_for(lambda: push.source._lane.waiting_bytes > 0)
        push.source.close()
        answer = read_all(asking).lower()
        assert answer.startswith(b"http/1.1 503 ")
        assert b"retry-after: 1" in answer
        assert b"nothing of the request was taken" in answer
        read_all(kept)
    with pytest.raises(ConnectionRefusedError):
        connect(push.port)
    push.source.close()
