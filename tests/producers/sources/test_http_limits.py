import gzip
import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from headrace.errors import SettingsError
from headrace.ops.clock import SystemClock
from producers.http.endpoint import Memory
from producers.sources import http as source
from producers.sources.http import Settings
from tests.doubles.clock import ManualClock
from tests.producers.sources.pushed import NDJSON, Answered, Push, connect, line, own, read_all

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


# -- who may


def test_only_a_bearer_of_a_token_may_post(serve: Serve, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("first\n\n  second \n")
    push = serve(token_file=str(tokens))
    for wrong in (
        {},
        {"Authorization": "Bearer third"},
        {"Authorization": "Basic first"},
        {"Authorization": "Bearer"},
    ):
        answer = push.post(line(), **wrong)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="headrace"')
    for right in ("Bearer first", "bearer second"):
        assert push.post(line(), Authorization=right).status == 202
    assert len(push.events()) == 2


def test_tokens_change_with_their_file(serve: Serve, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("first\n")
    push = serve(token_file=str(tokens))
    tokens.write_text("second\n")
    _wait_for(lambda: push.post(line(), Authorization="Bearer second").status == 202)
    assert push.post(line(), Authorization="Bearer first").status == 401
    tokens.unlink()
    _wait_for(lambda: push.post(line(), Authorization="Bearer second").status == 401)


def test_no_token_is_ever_logged(serve: Serve, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("s3cret-one\n")
    push = serve(token_file=str(tokens))
    push.post(line(), Authorization="Bearer s3cret-two")
    push.post(line(), Authorization="Bearer s3cret-one")
    push.main.end()
    said = capfd.readouterr()
    assert "taking records" in said.out + said.err
    assert "s3cret" not in said.out + said.err


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"host": "0.0.0.0"}, "listening on 0.0.0.0 needs a token_file and a certificate"),
        ({"host": "0.0.0.0", "token_file": "{tokens}"}, "needs a token_file and a certificate"),
        ({"token_file": "{empty}"}, "holds no token"),
        ({"token_file": "/nowhere"}, "cannot be read"),
        ({"certificate": "{tokens}"}, "certificate and private_key go together"),
        ({"certificate": "{tokens}", "private_key": "{tokens}"}, "certificate .*tokens, private key"),
        ({"certificate": "/nowhere", "private_key": "/nowhere"}, "No such file"),
    ],
)
def test_wrong_settings_say_so_before_anything_listens(
    serve: Serve, tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    (tmp_path / "tokens").write_text("first\n")
    (tmp_path / "empty").write_text("\n")
    names = {"tokens": tmp_path / "tokens", "empty": tmp_path / "empty"}
    with pytest.raises(SettingsError, match=says):
        serve(**{name: value.format(**names) for name, value in settings.items()})


def test_beyond_this_machine_unprotected_when_that_is_wanted(serve: Serve) -> None:
    assert serve(host="0.0.0.0", unprotected=True).post(line()).status == 202


# -- TLS


def test_tls_with_a_certificate_that_changes(serve: Serve, tmp_path: Path) -> None:
    authority = trustme.CA()
    paths = _issue(authority, tmp_path, "127.0.0.1")
    push = serve(certificate=paths[0], private_key=paths[1])
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def post() -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", push.port, timeout=20, context=context)
        try:
            connection.request("POST", "/records", line(), {"Content-Type": NDJSON})
            return connection.getresponse().status
        finally:
            connection.close()

    def serial() -> str:
        with context.wrap_socket(connect(push.port), server_hostname="127.0.0.1") as connection:
            certificate = connection.getpeercert()
            assert certificate is not None
            return str(certificate["serialNumber"])

    assert post() == 202
    before = serial()
    (tmp_path / "key.pem").write_text("half a key")
    _issue(authority, tmp_path, "127.0.0.1")
    _wait_for(lambda: serial() != before)
    assert post() == 202
    old = ssl.create_default_context()
    authority.configure_trust(old)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError), connect(push.port) as plain:
        old.wrap_socket(plain, server_hostname="127.0.0.1")


def test_plain_http_on_a_tls_port_gets_nowhere(serve: Serve, tmp_path: Path) -> None:
    certificate, key = _issue(trustme.CA(), tmp_path, "127.0.0.1")
    push = serve(certificate=certificate, private_key=key)
    with connect(push.port) as connection:
        connection.sendall(b"POST /records HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in read_all(connection)


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
    _wait_for(lambda: push.post(line()).status == 202)


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
        _wait_for(lambda: push.source._lane.waiting_bytes > 0)
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
        _wait_for(lambda: push.source._lane.waiting_bytes > 0)
        push.source.close()
        answer = read_all(asking).lower()
        assert answer.startswith(b"http/1.1 503 ")
        assert b"retry-after: 1" in answer
        assert b"nothing of the request was taken" in answer
        read_all(kept)
    with pytest.raises(ConnectionRefusedError):
        connect(push.port)
    push.source.close()


def _issue(authority: trustme.CA, directory: Path, name: str) -> tuple[str, str]:
    issued = authority.issue_cert(name)
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    issued.private_key_pem.write_to_path(key)
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return str(certificate), str(key)


def _wait_for(is_so: Callable[[], bool]) -> None:
    beat = threading.Event()
    for _ in range(500):
        if is_so():
            return
        beat.wait(0.02)
    raise AssertionError
