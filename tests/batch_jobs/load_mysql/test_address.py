import pytest

from batch_jobs.load_mysql.address import parse
from headrace.errors import SettingsError


def test_a_url_is_taken_apart_and_its_escapes_undone() -> None:
    found = parse("mysql://lo%40ader:p%2Fw%3A%25@db.example.org/book")
    assert found[:5] == ("db.example.org", 3306, "lo@ader", "p/w:%", "book")
    assert parse("mysql://u:p@[::1]:3307/b").port == 3307


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("mysql://u:p@127.0.0.1/b", False),
        ("mysql://u:p@localhost:1/b", False),
        ("mysql://u:p@[::1]/b", False),
        ("mysql://u:p@127.0.0.1/b?ssl=on", True),
        ("mysql://u:p@book.rds.example.org/b", True),
        ("mysql://u:p@10.0.0.7/b", True),
        ("mysql://u:p@10.0.0.7/b?ssl=off", False),
        ("mysql://u:p@127.0.0.1.example.org/b", True),
    ],
)
def test_tls_is_required_of_every_other_host_unless_the_url_says_otherwise(url: str, tls: bool) -> None:
    address = parse(url)
    assert address.ssl is tls
    assert ("ssl" in address.arguments()) is tls
    assert ("ssl_disabled" in address.arguments()) is not tls


@pytest.mark.parametrize(
    "url",
    [
        "",
        "postgresql://u:secret@h/b",
        "mysql://u:secret@h",
        "mysql://:secret@h/b",
        "mysql://u:secret@/b",
        "mysql://u:secret@h:port/b",
        "mysql://u:secret@h/b?ssl=maybe",
        "mysql://u:secret@h/b?sslca=x",
        "mysql://u:secret@[h/b",
    ],
)
def test_a_wrong_url_is_said_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="HEADRACE_MYSQL_URL") as error:
        parse(url)
    assert "secret" not in str(error.value)


def test_an_address_does_not_show_its_password() -> None:
    assert "secret" not in f"{parse('mysql://u:secret@h/b')!r} {parse('mysql://u:secret@h/b')}"


def test_missing_certificates_are_said() -> None:
    with pytest.raises(SettingsError, match="ssl_ca /no/such"):
        parse("mysql://u:p@h/b?ssl_ca=/no/such").arguments()
