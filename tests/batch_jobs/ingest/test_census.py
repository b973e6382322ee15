import hashlib
import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_jobs.ingest.census import Census, take_census
from headrace.errors import InputRefused
from tests.batch_jobs.ingest.loan_text import line, originations, performance

LINE = st.lists(st.sampled_from([b"|", b"|", b"a", b"\r", b"\0", b"\xff", b"\x0b"]), max_size=12).map(
    b"".join
)
FILE = st.tuples(st.lists(LINE, max_size=60), st.booleans()).map(
    lambda drawn: b"\n".join(drawn[0]) + (b"\n" if drawn[1] and drawn[0] else b"")
)


def census_of(data: bytes, *, split: int = 1 << 20, chunk: int = 1 << 20) -> Census:
    return take_census(io.BytesIO(data), "perf_2005Q1.txt", split=split, chunk=chunk)


@given(FILE, st.integers(1, 200), st.integers(13, 90))
def test_the_splits_together_are_the_file_in_whole_lines(data: bytes, split: int, chunk: int) -> None:
    census = census_of(data, split=split, chunk=chunk)
    parts = [data[part.start : part.end] for part in census.splits]
    assert b"".join(parts) == data
    assert all(parts)
    number = 1
    for part, text in zip(census.splits, parts, strict=True):
        lines = text.split(b"\n") if not text.endswith(b"\n") else text[:-1].split(b"\n")
        assert (part.first_line, part.rows) == (number, len(lines))
        number += len(lines)
    assert all(text.endswith(b"\n") for text in parts[:-1])
    assert all(len(text) >= split for text in parts[:-1])
    assert (census.rows, census.bytes) == (number - 1, len(data))
    assert census.sha256 == hashlib.sha256(data).hexdigest()


@given(FILE, st.integers(13, 90))
def test_fields_are_counted_as_plain_python_counts_them(data: bytes, chunk: int) -> None:
    census = census_of(data, chunk=chunk)
    lines = data.split(b"\n")
    if not lines[-1]:
        del lines[-1]
    counts = [text.count(b"|") + 1 for text in lines]
    assert {fields: found.rows for fields, found in census.field_counts.items()} == Counter(counts)
    assert all(counts.index(fields) + 1 == found.first for fields, found in census.field_counts.items())
    assert census.last_is_open == (bool(data) and not data.endswith(b"\n"))


AMOUNT = st.sampled_from(["", "0", "0.00", "-0.00", "10.5", "-3", "junk", "nan", "U", "9999999999.99"])
CODE = st.sampled_from(["", "01", "02", "03", "09", "15", "16", "96", "3", "35", "0" * 3, "/5"])


def sign(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        return 0
    return (value > 0) - (value < 0)


@given(st.lists(st.tuples(st.sampled_from([8, 9, 21, 22, 23, 32, 35]), CODE, AMOUNT)), st.integers(150, 900))
def test_losses_are_counted_by_sign_where_the_code_carries_one(
    rows: list[tuple[int, str, str]], chunk: int
) -> None:
    data = b"".join(line(fields, {9: code, 22: loss}) for fields, code, loss in rows)
    census = census_of(data, chunk=chunk)
    signs = [sign(loss) for fields, code, loss in rows if fields >= 22 and code in {"02", "03", "09", "15"}]
    assert (census.losses_positive, census.losses_negative) == (signs.count(1), signs.count(-1))


def test_loan_ids_are_looked_for_in_both_places() -> None:
    old = line(32, {1: "F105Q1000001"}) + line(32, {1: "A105Q2000001"}) + line(32, {1: "F105Q100001"})
    census = census_of(performance(2, quarter="05Q1") + old)
    assert (census.ids_first, census.ids_twentieth) == ({"05Q1": 3, "05Q2": 1}, {})
    assert census.sampled == 5
    census = census_of(originations(3, quarter="06Q4"))
    assert (census.ids_first, census.ids_twentieth) == ({}, {"06Q4": 3})


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(InputRefused, match=r"perf_2005Q1\.txt.*no line ends within 64 bytes of byte 3"):
        census_of(b"a|\n" + bytes(200), chunk=64)
