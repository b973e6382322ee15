import json
import socket
import struct
import threading
import urllib.error
import urllib.request

import pytest

from headrace.errors import SettingsError
from headrace.ops.health import Health, HealthServer


def get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_health_is_200_or_503_with_its_reasons() -> None:
    state = Health(ok=True, detail={"lag": 1})
    with HealthServer(lambda: state) as server:
        status, body = get(server.port, "/healthz")
        assert (status, json.loads(body)) == (200, {"ok": True, "detail": {"lag": 1}})
        state = Health(ok=False, detail={"why": "away"})
        status, body = get(server.port, "/healthz")
        assert (status, json.loads(body)["detail"]) == (503, {"why": "away"})


def test_readiness_is_its_own_answer_and_health_where_there_is_none() -> None:
    full = Health(ok=False, detail={"closed": ["web"]})
    with HealthServer(lambda: Health(ok=True, detail={}), lambda: full) as server:
        assert get(server.port, "/healthz")[0] == 200
        status, body = get(server.port, "/readyz")
        assert (status, json.loads(body)["detail"]) == (503, {"closed": ["web"]})
    with HealthServer(lambda: full) as server:
        assert get(server.port, "/readyz")[0] == 503


def test_a_client_that_asks_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    with HealthServer(lambda: Health(ok=True, detail={})) as server:
        handler = server._server.RequestHandlerClass
        assert vars(handler)["timeout"] > 0
        monkeypatch.setattr(handler, "timeout", 0.05)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            assert client.recv(1) == b""


def test_metrics_are_served_and_other_paths_are_not_found() -> None:
    with HealthServer(lambda: Health(ok=True, detail={})) as server:
        status, body = get(server.port, "/metrics")
        assert status == 200
        assert b"headrace_" in body or b"python_info" in body
        assert get(server.port, "/")[0] == 404


def test_a_port_in_use_is_said_with_the_remedy() -> None:
    health = Health(ok=True, detail={})
    with HealthServer(lambda: health) as server, pytest.raises(SettingsError, match="HEADRACE_HEALTH_PORT"):
        HealthServer(lambda: health, port=server.port)


def test_a_client_that_goes_away_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    asked, gone = threading.Event(), threading.Event()

    def slow() -> Health:
        asked.set()
        gone.wait(20)
        return Health(ok=True, detail={"long": "x" * 10_000_000})

    with HealthServer(slow) as server:
        others = set(threading.enumerate())
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert asked.wait(20)
        gone.set()
        for handler in set(threading.enumerate()) - others:
            handler.join()
        assert get(server.port, "/")[0] == 404
    assert capfd.readouterr().err == ""
