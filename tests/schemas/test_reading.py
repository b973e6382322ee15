import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.reading import identity, is_too_deep, texts

HEAD = b'"type":"web_access.v1","source":"web-7","sequence":"0000000000000009"'
IDENTITY = ("web-7", 9, "web_access.v1")


@pytest.mark.parametrize(
    "raw",
    [
        b"{" + HEAD + b"}",
        b"{" + HEAD + b"} trailing",
        b"{" + HEAD + b',"data":{"path":"/cut o',
        b'{"data":{"source":"inner","sequence":"0000000000000001"},' + HEAD + b"}",
        b'{"data":[[[[{"a":"}]"}]]]],' + HEAD + b"}",
        b"{" + HEAD + b',"note":"\\ud800 \\" \xff"}',
        b'{"data":' + b"[" * 5000 + b"]" * 5000 + b"," + HEAD + b"}",
        b"{" + HEAD + b',"n":' + b"9" * 5000 + b"}",
    ],
)
def test_the_identity_is_read_around_whatever_is_broken(raw: bytes) -> None:
    assert identity(raw) == IDENTITY


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[" + HEAD + b"]",
        b'{"data":{' + HEAD + b"}}",
        b'"{' + HEAD + b'}"',
        b'{"source":"' + b"s" * 257 + b'","sequence":1234567890123456,"type":5}',
        b'{"source":"w\xffb","sequence":9,"type":""}',
        b'{"source":"w\\ud800b"}',
    ],
)
def test_what_is_not_a_clean_attribute_of_the_outermost_object_is_not_taken(raw: bytes) -> None:
    assert identity(raw) == (None, None, None)


@given(st.binary(max_size=300))
def test_reading_never_fails(raw: bytes) -> None:
    identity(raw)
    is_too_deep(raw)


@given(st.text(), st.integers(1, 2**53 - 1))
def test_the_identity_of_any_event_is_read_back(note: str, number: int) -> None:
    event = {"note": note, "data": {"x": note}, "source": "web-7", "sequence": f"{number:016d}", note: [note]}
    event |= {"source": "web-7", "sequence": f"{number:016d}"}

    assert identity(json.dumps(event, ensure_ascii=False).encode())[:2] == ("web-7", number)


def test_brackets_inside_a_text_are_not_nesting() -> None:
    assert not is_too_deep(json.dumps("[" * 100 + '"\\').encode())
    assert not is_too_deep(b"[]" * 100)
    assert is_too_deep(b"[" * 65)
    assert not is_too_deep(b"[" * 64)


@pytest.mark.parametrize(
    "raw", [b'"' + b'\\"' * 500_000, b'"' * 1_000_000, b"[" * 1_000_000, b"\\" * 1_000_001]
)
def test_reading_takes_time_in_proportion_to_the_bytes(raw: bytes) -> None:
    started = time.process_time()
    identity(raw)
    is_too_deep(raw)

    assert time.process_time() - started < 10  # a quadratic reader would need hours


def test_every_text_is_found_with_its_path() -> None:
    assert list(texts({"a": ["x", {"b": "y"}], "c": 1})) == [
        ("$.a", "a"),
        ("$.a[0]", "x"),
        ("$.a[1].b", "b"),
        ("$.a[1].b", "y"),
        ("$.c", "c"),
    ]
