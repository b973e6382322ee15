import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.schemas.reading import MAX_RECORD_BYTES, identity, is_too_deep, texts
from tests.schemas import plain_reading
from tests.schemas.examples import Example, bad_examples, good_examples

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


MEMBERS = [
    HEAD,
    b'"source":"s"',
    b'"source":5',
    b'"source":{"source":"z"}',
    b'"source":"\\ud800"',
    b'"sour\\u0063e":"t"',
    b'"sequence":"0000000000000000"',
    b'"type":"\xff"',
    b'"type":"\xef\xbf\xbd"',
    b'"type":null',
    b'"a":[1,{"b":"]\\""}]',
    b'"a":[][]',
    b'"a":[\x01}',
    b'"a":"\t"',
    b'"a":"\\x"',
    b'"a":01',
    b'"a":NaN',
    b'"a":1e999',
    b'"\xff":-1.5',
    b'"\\ud800":' + b"9" * 5000,
]
BITS = [*(bytes([byte]) for byte in b'"\\{}[]:,0 \n\x00\xff'), b"{" + HEAD, b"}{", b"[" * 70, b"[]" * 40]
EXAMPLES = [case.raw for case in good_examples() + bad_examples() if len(case.raw) < 2000]


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    raw = draw(st.sampled_from(EXAMPLES))
    start, end = (draw(st.integers(0, len(raw))) for _ in range(2))
    return raw[:start] + draw(st.sampled_from([b"", *BITS])) + raw[max(start, end) :]


objects = st.tuples(
    st.lists(st.sampled_from(MEMBERS), max_size=6), st.sampled_from([b"}", b"", b"} x", b"}}", b"]", b"}{}"])
).map(lambda parts: b"{" + b",".join(parts[0]) + parts[1])
whatever = st.lists(st.sampled_from(MEMBERS + BITS), max_size=10).map(b"".join)


@pytest.mark.parametrize("case", good_examples() + bad_examples(), ids=str)
def test_every_golden_example_is_read_as_the_plain_reader_reads_it(case: Example) -> None:
    assert identity(case.raw) == plain_reading.identity(case.raw)
    assert is_too_deep(case.raw) == (max(plain_reading.depths(case.raw), default=0) > 64)


@settings(max_examples=15 * settings().max_examples)
@given(st.one_of(objects, whatever, bent(), st.binary(max_size=40)))
def test_whatever_comes_is_read_as_the_plain_reader_reads_it(raw: bytes) -> None:
    assert identity(raw) == plain_reading.identity(raw)
    assert is_too_deep(raw) == (max(plain_reading.depths(raw), default=0) > 64)


def test_of_a_record_that_is_too_large_only_the_head_is_read() -> None:
    raw = b"{" + HEAD + b',"data":["' + b"n" * MAX_RECORD_BYTES

    assert identity(raw + b'"],"source":"other"}') == IDENTITY


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
    "raw",
    [
        b'"' + b'\\"' * 500_000,
        b'"' * 1_000_000,
        b"[" * 1_000_000,
        b"\\" * 1_000_001,
        b'{"a":[' + b"[]" * 500_000,
        b'{"a":' + b"[" * 500_000 + b"]" * 500_000,
        b'{"a":[' + b'""[' * 300_000,
    ],
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
