from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.measures import CountIf, Derived, Key
from headrace.schemas.records.web_access import WEB_ACCESS
from headrace.schemas.tables import text


def test_null_is_the_empty_key_and_is_never_counted() -> None:
    assert Key("sensor", of="sensor").text(None) == ""
    assert Key("kind", of=Derived("sensor", str.upper), max_bytes=9).text(None) == ""
    assert not CountIf("named", Derived("sensor", lambda _: True)).holds(None)


@given(st.text(), st.integers(1, 40))
def test_a_derived_key_never_exceeds_its_bytes(value: str, limit: int) -> None:
    key = Key("kind", of=Derived("sensor", str.upper), max_bytes=limit).text(value)

    assert len(key.encode()) <= limit
    assert value.upper().startswith(key)


def test_a_key_takes_its_length_from_its_field_or_states_it() -> None:
    assert Key("path", of="path").column(WEB_ACCESS).type == text(32_768)
    assert Key("class", of=Derived("status", str), max_bytes=16).column(WEB_ACCESS).type == text(16)


def test_a_plain_key_is_the_fields_text() -> None:
    assert Key("path", of="path").text("/ä") == "/ä"
