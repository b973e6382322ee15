import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from headrace.errors import SettingsError
from headrace.ops.clock import SystemClock
from producers.sources.http import Settings
from tests.producers.sources.pushed import NDJSON, Push, connect, line, read_all, wait_for

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
    wait_for(lambda: push.post(line(), Authorization="Bearer second").status == 202)
    assert push.post(line(), Authorization="Bearer first").status == 401
    tokens.unlink()
    wait_for(lambda: push.post(line(), Authorization="Bearer second").status == 401)


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
    wait_for(lambda: serial() != before)
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


def _issue(authority: trustme.CA, directory: Path, name: str) -> tuple[str, str]:
    issued = authority.issue_cert(name)
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    issued.private_key_pem.write_to_path(key)
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return str(certificate), str(key)
