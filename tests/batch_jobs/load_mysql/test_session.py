import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from batch_jobs.load_mysql import session
from batch_jobs.load_mysql.address import Address, parse
from batch_jobs.load_mysql.session import Session
from headrace.errors import DatabaseRefused, DatabaseUnavailable
from headrace.ops.clock import SystemClock
from infra.local import mariadb
from infra.local.state import State

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mysql")]


@pytest.fixture
def opened() -> Iterator[Callable[[Address], Session]]:
    """Makes sessions, and closes them."""
    made: list[Session] = []

    def make(place: Address) -> Session:
        made.append(Session(place))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_loose_server_s_session_is_strict_in_utf8_and_in_utc(
    opened: Callable[[Address], Session], place: Address, sql: Callable[..., Any]
) -> None:
    assert sql("SELECT @@sql_mode, @@time_zone") == (("NO_ENGINE_SUBSTITUTION", "+05:00"),)
    with opened(place).cursor() as cursor:
        cursor.execute("SELECT @@sql_mode, @@time_zone, @@collation_connection")
        modes, *rest = cursor.fetchone() or ()
        assert "STRICT_ALL_TABLES" in modes
        assert rest == ["+00:00", "utf8mb4_bin"]
        cursor.execute("CREATE TABLE narrow (name VARCHAR(3))")
    with pytest.raises(DatabaseRefused, match="1406"), opened(place).cursor() as cursor:
        cursor.execute("INSERT INTO narrow VALUES ('abcd')")


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_session_that_does_not_take_its_mode_is_not_worked_with(
    opened: Callable[[Address], Session], place: Address, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """As behind a proxy that swallows a SET."""
    taken = [statement for number, statement in enumerate(session._SET) if number != at]
    if at == 1:
        taken.append("SET NAMES latin1")  # the driver names a character set too
    monkeypatch.setattr(session, "_SET", taken)
    with pytest.raises(DatabaseRefused, match="did not take"), opened(place).cursor():
        pass


@pytest.mark.parametrize("mode", ["NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT", "ANSI_QUOTES"])
def test_a_mode_that_reads_the_statements_differently_is_refused(
    opened: Callable[[Address], Session], place: Address, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    changed = (*session._SET, f"SET SESSION sql_mode = CONCAT(@@sql_mode, ',{mode}')")
    monkeypatch.setattr(session, "_SET", changed)
    with pytest.raises(DatabaseRefused, match=mode), opened(place).cursor():
        pass


def test_a_server_that_asks_for_a_file_gets_none(
    opened: Callable[[Address], Session], place: Address, sql: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "private").write_text("secret\n")
    sql("CREATE TABLE stolen (line TEXT)")
    with pytest.raises(DatabaseRefused, match="asked for a file"), opened(place).cursor() as cursor:
        cursor.execute(f"LOAD DATA LOCAL INFILE '{tmp_path}/private' INTO TABLE stolen")
    assert sql("SELECT * FROM stolen") == ()


def test_a_killed_connection_may_be_tried_again_on_a_new_one(
    opened: Callable[[Address], Session], place: Address, sql: Callable[..., Any]
) -> None:
    one = opened(place)
    with one.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        (number,) = cursor.fetchone() or (0,)
    sql("KILL %s", number)
    with pytest.raises(DatabaseUnavailable), one.cursor() as cursor:
        cursor.execute("SELECT 1")
    with one.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_wrong_password_is_refused_and_not_told(
    opened: Callable[[Address], Session], place: Address
) -> None:
    wrong = place._replace(password="not-the-one")
    with pytest.raises(DatabaseRefused, match="1045") as error, opened(wrong).cursor():
        pass
    assert "not-the-one" not in str(error.value)


def test_a_server_without_tls_is_refused_where_tls_is_required(
    opened: Callable[[Address], Session], place: Address
) -> None:
    with pytest.raises(DatabaseRefused, match="SSL is required"), opened(place._replace(ssl=True)).cursor():
        pass


def test_with_tls_the_server_s_certificate_must_be_of_a_trusted_issuer(
    opened: Callable[[Address], Session], tmp_path: Path
) -> None:
    issuer, state, clock = trustme.CA(), State(tmp_path / ".headrace"), SystemClock()
    (tmp_path / "pem").mkdir(mode=0o755)
    files = {name: tmp_path / "pem" / name for name in ("ca", "cert", "key")}
    server = issuer.issue_cert("127.0.0.1")
    issuer.cert_pem.write_to_path(str(files["ca"]))
    server.cert_chain_pems[0].write_to_path(str(files["cert"]))
    server.private_key_pem.write_to_path(str(files["key"]))
    options = {f"ssl-{name}": str(path) for name, path in files.items()}
    background = mariadb.start(state, os.environ, clock, preferred=0, options=options)
    try:
        url = mariadb.url(state, background)
        with opened(parse(f"{url}?ssl_ca={files['ca']}")).cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
            assert (cursor.fetchone() or ("", ""))[1].startswith("TLSv1")
        with pytest.raises(DatabaseRefused, match="not trusted"), opened(parse(f"{url}?ssl=on")).cursor():
            pass
    finally:
        mariadb.stop(state, clock)
