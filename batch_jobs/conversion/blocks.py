"""Lines of a split in blocks of bounded size, and the cells of those that a CSV reader reads as we do."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from batch_jobs.manifest import Split
from headrace.errors import InputRefused
from headrace.schemas.reading import MAX_RECORD_BYTES

BLOCK = 4 << 20  # bytes; a block's columns stay in the processor's cache, or nearly
_LINE_FEED, _RETURN = 0x0A, 0x0D
_TEXTS = pa.dictionary(pa.int32(), pa.string())

Numbers = npt.NDArray[np.int64]


class Block(NamedTuple):
    """Whole lines; the number of the first of them."""

    text: bytes
    first_line: int


class Cells(NamedTuple):
    """The texts of regular lines, an array per column, and which lines of the block they are, from 0."""

    columns: tuple[pa.DictionaryArray, ...]
    lines: Numbers


def blocks(file: Any, split: Split, size: int = BLOCK) -> Iterator[Block]:  # noqa: ANN401  a pyarrow file
    """The lines of a split, in blocks of about `size` bytes, or of one longer line.

    Raises InputRefused when the file has other lines than its census found.
    """
    file.seek(split.start)
    at, left = split.first_line, split.end - split.start
    rest: list[bytes] = []
    while left:
        piece = file.read(min(size, left))
        left = left - len(piece) if piece else 0
        cut = piece.rfind(b"\n") + 1 if left else len(piece)
        if not cut:
            rest.append(piece)
            continue
        block = Block(b"".join((*rest, piece[:cut])), at)
        rest = [piece[cut:]]
        at += line_count(block.text)
        yield block
    if at != split.first_line + split.rows:
        raise InputRefused(
            f"bytes {split.start} .. {split.end} hold {at - split.first_line} lines and held {split.rows}: "
            "the file is not as it was taken; ingest it again"
        )


def line_count(text: bytes) -> int:
    """How many lines; the last may lack its line end."""
    return text.count(b"\n") + (not text.endswith(b"\n"))


def line_ends(text: bytes) -> Numbers:
    """Where each line ends, behind its line feed."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _LINE_FEED) + 1
    return ends if text.endswith(b"\n") else np.append(ends, len(text))


def lines_at(text: bytes, lines: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """These lines, numbered from 0, without their line feed."""
    ends = line_ends(text)
    for line in lines:
        start = int(ends[line - 1]) if line else 0
        yield line, text[start : int(ends[line])].removesuffix(b"\n")


def read_cells(text: bytes, column_count: int) -> Cells:
    """The lines with `column_count` fields of plain ASCII, column by column; all others are left out."""
    count = line_count(text)
    lines = np.arange(count)
    if not _is_plain(text):
        strange = _strange(text)
        text, lines = _without(text, strange), lines[~strange]
    other: list[int] = []

    def leave_out(row: Any) -> str:  # noqa: ANN401  pyarrow's InvalidRow
        other.append(row.number - 1)
        return "skip"

    columns = _columns(text, column_count, leave_out) if text else ()
    return Cells(columns, np.delete(lines, other) if other else lines)


def _columns(text: bytes, count: int, leave_out: Any) -> tuple[pa.DictionaryArray, ...]:  # noqa: ANN401  as above
    names = [str(column) for column in range(count)]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(text),
        pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(text) + 1),
        pyarrow.csv.ParseOptions(
            delimiter="|",
            quote_char=False,
            escape_char=False,
            ignore_empty_lines=False,
            invalid_row_handler=leave_out,
        ),
        pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, _TEXTS), check_utf8=False),
    )
    return tuple(column.chunk(0) for column in table.columns) if table.num_rows else ()


def _is_plain(text: bytes) -> bool:
    """Whether no line can be strange."""
    returns = text.count(b"\r")
    return (
        text.isascii()
        and b"\0" not in text
        and len(text) <= MAX_RECORD_BYTES
        and (not returns or returns == text.count(b"\r\n"))
    )


def _strange(text: bytes) -> npt.NDArray[np.bool_]:
    """Which lines hold a byte beyond ASCII, a NUL, or a carriage return but at their end; or are too long."""
    letters, ends = np.frombuffer(text, np.uint8), line_ends(text)
    bad = (letters >= 0x80) | (letters == 0)  # noqa: PLR2004  the first byte beyond ASCII
    bad[:-1] |= (letters[:-1] == _RETURN) & (letters[1:] != _LINE_FEED)
    bad[-1] |= letters[-1] == _RETURN
    lengths = np.diff(ends, prepend=0)
    strange: npt.NDArray[np.bool_] = np.logical_or.reduceat(bad, ends - lengths)
    return strange | (lengths > MAX_RECORD_BYTES)


def _without(text: bytes, strange: npt.NDArray[np.bool_]) -> bytes:
    kept = np.repeat(~strange, np.diff(line_ends(text), prepend=0))
    return np.frombuffer(text, np.uint8)[kept].tobytes()
