from datetime import UTC, datetime

import pytest

from headrace.schemas import registry
from headrace.schemas.codec import encode
from headrace.schemas.partition_keys import key_reader
from headrace.schemas.record_type import RecordType
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.records.web_access import WEB_ACCESS, WebAccess

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def record(user: str | None) -> bytes:
    return encode(
        "s", 1, TIME, WebAccess(client_address="::1", user=user, method="GET", path="/", status=200)
    )


def test_an_unkeyed_type_has_no_keys() -> None:
    assert key_reader("web_access.v1")([record("ada")] * 2) == [None, None]


@pytest.mark.parametrize(
    ("user", "key"), [("ada", "ada"), ("", None), (None, None), ("\N{SNOWMAN}" * 80, "\N{SNOWMAN}" * 80)]
)
def test_a_keyed_type_is_keyed_by_its_field(
    monkeypatch: pytest.MonkeyPatch, user: str | None, key: str | None
) -> None:
    keyed = RecordType(name="web_access.v1", data=WEB_ACCESS.data, description="keyed", partition_key="user")
    monkeypatch.setitem(registry.RECORD_TYPES, "web_access.v1", keyed)
    other = encode("s", None, TIME, ProducerStatus(spooled=1, acknowledged=1))
    assert key_reader("web_access.v1")([record(user), other, record("bob")]) == [key, None, "bob"]


def test_a_type_that_is_no_longer_known_goes_unkeyed_and_the_others_keep_their_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keyed = RecordType(name="web_access.v1", data=WEB_ACCESS.data, description="keyed", partition_key="user")
    monkeypatch.setitem(registry.RECORD_TYPES, "web_access.v1", keyed)
    gone = record("eve").replace(b"web_access.v1", b"web_access.v0")
    assert key_reader(None)([record("ada"), gone, record("bob")]) == ["ada", None, "bob"]


def test_a_key_is_text_of_256_characters_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for field, key in (("status", "200"), ("user", "u" * 256)):
        keyed = RecordType(name="web_access.v1", data=WEB_ACCESS.data, description="", partition_key=field)
        monkeypatch.setitem(registry.RECORD_TYPES, "web_access.v1", keyed)
        assert key_reader("web_access.v1")([record("u" * 300)]) == [key]
