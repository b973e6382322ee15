"""The way to somebody else's server: TLS, proxies, redirects that leave it; shown on the feed."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trustme

from headrace.errors import SettingsError
from producers.sources.sse import Settings
from tests.doubles.clock import ManualClock
from tests.doubles.event_feed import EventFeed, FeedEvent, Turn
from tests.producers.sources.conftest import Open
from tests.producers.sources.test_sse import Reader

EVENT = FeedEvent(b"a", "1")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def encrypted(authority: trustme.CA) -> Iterator[EventFeed]:
    feed = EventFeed()
    feed.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(feed.tls)
    feed.publish(EVENT)
    with feed:
        yield feed


def test_a_feed_is_read_over_tls_from_who_is_trusted(
    encrypted: EventFeed, opening: Open, clock: ManualClock, ca_file: str
) -> None:
    reader = Reader(encrypted, opening, clock, ca_file=ca_file)
    assert reader.take(1) == [b"a"]
    reader.source.close()


def test_a_feed_that_nobody_vouches_for_is_not_read(
    encrypted: EventFeed, opening: Open, clock: ManualClock
) -> None:
    reader = Reader(encrypted, opening, clock)
    assert reader.until_trouble() == "127.0.0.1: TLS: unable to get local issuer certificate"
    reader.source.close()


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/", "ftp://127.0.0.1/"])
def test_a_redirect_does_not_lead_out_of_the_encryption(
    encrypted: EventFeed, opening: Open, clock: ManualClock, ca_file: str, target: str
) -> None:
    encrypted.script(Turn(status=302, headers={"Location": target}))
    reader = Reader(encrypted, opening, clock, ca_file=ca_file)
    assert reader.until_trouble() == "127.0.0.1: a redirect leads from https to another scheme"
    reader.source.close()


def test_a_redirect_leads_to_a_web_server_only(opening: Open, clock: ManualClock) -> None:
    with EventFeed() as feed:
        feed.script(Turn(status=302, headers={"Location": "file:///etc/passwd"}))
        reader = Reader(feed, opening, clock)
        assert reader.until_trouble() == "127.0.0.1: a redirect leads to what is neither http nor https"
        reader.source.close()


def test_a_proxy_is_used_when_it_is_set_and_never_from_the_environment(
    opening: Open, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with EventFeed() as feed:
        feed.publish(EVENT)
        direct = Reader(feed, opening, clock)
        assert direct.take(1) == [b"a"]
        direct.source.close()
        through = Reader(feed, opening, clock, url="http://nowhere.invalid/feed", proxy=feed.url)
        assert through.take(1) == [b"a"]
        through.source.close()
        assert [request.path for request in feed.received] == ["/v2/stream", "http://nowhere.invalid/feed"]


def test_a_wrong_proxy_or_file_of_authorities_is_known_at_the_start(tmp_path: Path) -> None:
    no_certificate = tmp_path / "empty.pem"
    no_certificate.touch()
    for wrong, said in (
        ({"proxy": "proxy.example.com:8080"}, "proxy 'proxy.example.com:8080' is no address"),
        ({"proxy": "http://joe:hunter2@example.com"}, "proxy: leave the user and the password out"),
        ({"ca_file": str(tmp_path / "none.pem")}, "none.pem cannot be used: No such file"),
        ({"ca_file": str(no_certificate)}, "empty.pem cannot be used: no certificate"),
    ):
        with pytest.raises(SettingsError, match=said):
            msgspec.convert({"url": "https://example.com/"} | wrong, Settings)
