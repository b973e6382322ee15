from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batch_jobs.conversion.blocks import Block, blocks
from batch_jobs.conversion.proof import FEW
from batch_jobs.conversion.reading import TABLES, BlockReader
from batch_jobs.manifest import Input, Kind
from headrace.errors import InputRefused
from headrace.schemas.codec import Event, RejectCode, Rejection, decode, encode
from headrace.schemas.delimited import LineReader
from headrace.schemas.loan_layouts import LAYOUTS
from headrace.schemas.reading import MAX_RECORD_BYTES
from headrace.warehouse.staging import arrow_schema
from tests.batch_jobs.conversion.loan_inputs import LINES, taken, with_cells

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEXTS = [
    *[
        "",
        " ",
        "0",
        "00",
        "-0.00",
        "007",
        "1",
        "-1",
        "+1",
        "1.",
        ".5",
        "1.5",
        "0.000",
        "1.005",
        "-3.10",
        "1e5",
    ],
    *["99", "999", "9999", "32768", "-999", "1000", "9999999999.99", "10000000000", "-9999999999.99", "nan"],
    *[
        "100",
        "100.000",
        "100.001",
        "0000000000000001.50",
        "U",
        "RA",
        "XX",
        "Y",
        "N",
        "P",
        "7",
        "9",
        "Z",
        "01",
    ],
    *[
        "200503",
        "200513",
        "190001",
        "220001",
        "000000",
        "2005-03-01",
        "20050",
        "null",
        "true",
        '"',
        '"a"',
        '""',
    ],
    *[
        "F05Q10000001",
        "F105Q1000001",
        "A99Q40000000",
        "F05Q50000001",
        "F05Q10000001 ",
        "OTHER",
        "02800",
        "028",
    ],
    *["Other servicers", "Other sellers", "x" * 60, "x" * 61, "\x01", "\x7f", "a\\b", "\\N", "00000", "12"],
    *["é" * 30, "é" * 31, "٣", "\ufeff", "\u2028", "B,C;D\tE"],
]
SEAMS = [b"\r", b"\0", b"\x80", b"\xff", b"|", b'"', b"\xef\xbb\xbf", b"\n", b"\r\r"]


@st.composite
def line(draw: st.DrawFn, base: str) -> bytes:
    """A good line, more or less spoiled."""
    count = base.count("|") + 1
    column = st.integers(1, count)
    text = st.sampled_from(TEXTS) | st.text(
        st.characters(exclude_characters="\n", codec="utf-8"), max_size=14
    )
    cells = draw(st.dictionaries(column, text, max_size=3))
    raw = with_cells(base, cells).encode()
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.sampled_from(SEAMS) | st.binary(max_size=3)) + raw[at:]
    if draw(st.integers(0, 9)) == 0:
        raw = draw(st.sampled_from([b"", b"\r", b"|", raw + b"|", raw.rpartition(b"|")[0], b'"' + raw]))
    return raw + draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"]))


@st.composite
def case(draw: st.DrawFn) -> tuple[Input, bytes]:
    kind, layout = draw(st.sampled_from(sorted(LINES)))
    lines = draw(st.lists(line(LINES[kind, layout]), min_size=1, max_size=6))
    text = b"".join(lines).removesuffix(draw(st.sampled_from([b"", b"\n"]))) or b"\n"
    return taken(text, kind, layout, losses=draw(st.sampled_from(["positive", "negative"]))), text


def one_by_one(entry: Input, text: bytes) -> dict[int, Any]:
    """What the codec says of each line, by its number."""
    reader = LineReader(LAYOUTS[entry.kind, entry.layout], losses_negative=entry.losses == "negative")
    lines = text.removesuffix(b"\n").split(b"\n")
    return {
        number: reader.read(raw, source=entry.source, number=number) for number, raw in enumerate(lines, 1)
    }


def at_once(entry: Input, text: bytes, few: int, size: int) -> dict[int, Any]:
    """The same of the vectorised check, in blocks of about `size` bytes."""
    reader, found = BlockReader(entry, few=few), {}
    kind = LAYOUTS[entry.kind, entry.layout].record_type.data
    for block in blocks(pa.BufferReader(text), entry.splits[0], size):
        rows, rejections = reader.read(block)
        rows.validate(full=True)
        assert rows.schema == arrow_schema(TABLES[entry.kind])
        assert rows["file_line"].to_pylist() == sorted(rows["file_line"].to_pylist())
        for row in rows.to_pylist():
            assert row.pop("vintage") == entry.vintage
            number = row.pop("file_line")
            found[number] = kind(**row)
        found |= {rejection.sequence: rejection for rejection in rejections}
    return found


@given(case(), st.sampled_from([0, 2, FEW]), st.sampled_from([1, 200, 1 << 20]))
@example((taken(b"\n", "origination", "r47"), b"\n"), FEW, 1 << 20)
def test_lines_read_at_once_get_the_verdicts_of_the_codec(
    case: tuple[Input, bytes], few: int, size: int
) -> None:
    entry, text = case
    expected = one_by_one(entry, text)
    assert at_once(entry, text, few, size) == expected
    for number, verdict in expected.items():
        if not isinstance(verdict, Rejection):
            event = decode(encode(entry.source, number, NOON, verdict))
            assert isinstance(event, Event)
            assert event.data == verdict


@pytest.mark.parametrize(("kind", "layout"), sorted(LINES))
@pytest.mark.parametrize("few", [0, FEW])
def test_every_text_in_every_column_gets_the_verdict_of_the_codec(kind: Kind, layout: str, few: int) -> None:
    base = LINES[kind, layout]
    lines = [with_cells(base, {at: text}) for at in range(1, base.count("|") + 2) for text in TEXTS]
    text = "\n".join([base, *lines]).encode()
    entry = taken(text, kind, layout, losses="negative" if layout == "legacy" else "positive")
    assert at_once(entry, text, few, 1 << 20) == one_by_one(entry, text)


def test_a_line_longer_than_any_record_is_rejected_between_good_ones() -> None:
    base = LINES["performance", "r47"].encode()
    text = b"\n".join([base, base + b"|" * MAX_RECORD_BYTES, base, b"x" * (MAX_RECORD_BYTES + 1), base])
    entry = taken(text, "performance", "r47")
    found = at_once(entry, text, FEW, 1 << 20)
    codes = {line: it.code for line, it in found.items() if isinstance(it, Rejection)}
    assert codes == {2: RejectCode.TOO_LARGE, 4: RejectCode.TOO_LARGE}
    assert sorted(found) == [1, 2, 3, 4, 5]


def test_a_file_that_has_other_lines_than_when_it_was_taken_is_refused() -> None:
    base = LINES["performance", "r47"].encode() + b"\n"
    entry = taken(base * 4, "performance", "r47")
    with pytest.raises(InputRefused, match=r"hold 5 lines and held 4: .* ingest it again"):
        list(blocks(pa.BufferReader(base[:-4] + b"\nab\n" + base * 3), entry.splits[0]))


def test_good_lines_are_not_asked_of_the_codec_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    base = LINES["performance", "r47"]
    text = "\n".join(with_cells(base, {3: f"{line}.25"}) for line in range(5000)).encode()
    monkeypatch.setattr(LineReader, "read", None)
    rows, rejections = BlockReader(taken(text, "performance", "r47")).read(Block(text, 1))
    assert (rows.num_rows, rejections) == (5000, [])
