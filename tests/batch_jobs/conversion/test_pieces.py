import gzip
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from batch_jobs.conversion.pieces import Done, Job, Piece, convert, pieces
from batch_jobs.conversion.reading import TABLES
from batch_jobs.manifest import DataFile, Input, Kind, Split
from batch_jobs.storage import Storage
from headrace.errors import InputRefused, StorageUnusable
from headrace.schemas.codec import Event, decode
from headrace.warehouse.staging import arrow_schema
from tests.batch_jobs.conversion.loan_inputs import (
    ID_COLUMN,
    LINES,
    splits,
    taken,
    with_cells,
)


def book(kind: Kind, layout: str, loans: int = 40) -> list[str]:
    """Lines in order, a sixth of them bad; every fourth loan or month twice."""
    lines = []
    for loan in range(1, loans + 1):
        cells = {ID_COLUMN[kind]: f"F05Q1{loan:07d}"}
        cells |= (
            {2: f"2007{loan % 12 + 1:02d}", 3: f"{loan * 1000}.{loan:02d}"} if kind == "performance" else {}
        )
        good = with_cells(LINES[kind, layout], cells)
        lines += (
            [good, with_cells(good, {7: "2" if kind == "origination" else ""})] if loan % 4 == 0 else [good]
        )
        if loan % 5 == 0:
            lines += [with_cells(good, {5: "1.0"}), good + "|", "", good.replace("|", '"|', 1)]
    return lines


def done(root: Path, entry: Input, **changes: Any) -> tuple[list[Done], Storage]:
    storage = Storage(str(root), {})
    job = Job(entry=entry, storage=storage, folder="tables/t", errors="errors/t", **changes)
    return [convert(job, piece) for piece in pieces(entry)], storage


def rows_of(storage: Storage, files: Sequence[DataFile | None]) -> list[dict[str, Any]]:
    read = [pq.read_table(storage.place(file.path)) for file in files if file]
    assert [rows.num_rows for rows in read] == [file.rows for file in files if file]
    return [row for rows in read for row in rows.to_pylist()]


def rejects_of(storage: Storage, files: Sequence[DataFile | None]) -> dict[int, tuple[str, bytes, str]]:
    """Code, raw line and first reason, by line."""
    found = {}
    for file in filter(None, files):
        for raw in gzip.decompress(storage.read(file.path)).splitlines():
            event: Any = decode(raw)
            assert isinstance(event, Event)
            assert int(event.sequence or 0) not in found
            data = event.data
            found[int(event.sequence or 0)] = (data.code, bytes(data.raw), data.errors[0].message)
    return found


@pytest.mark.parametrize(("kind", "layout"), sorted(LINES))
def test_rows_and_rejects_are_those_that_another_engine_finds(
    kind: Kind, layout: str, tmp_path: Path
) -> None:
    lines = book(kind, layout)
    text = "\n".join(lines).encode()
    entry = taken(text, kind, layout, path=tmp_path / "in.txt")
    (found,), storage = done(tmp_path / "root", entry)
    width, key = LINES[kind, layout].count("|") + 1, "c[20]" if kind == "origination" else "c[1] || c[2]"
    amount = "c[11]" if kind == "origination" else "c[3]"
    truth = duckdb.connect().execute(
        f"""with lines as (select unnest($lines) as line, unnest(range(1, {len(lines) + 1})) as number),
        cut as (select number, string_split(line, '|') as c from lines),
        good as (select * from cut where len(c) = {width} and c[5] <> '1.0' and not contains(c[1], '"')),
        once as (select *, row_number() over (partition by {key} order by number) as copy from good)
        select number, cast({amount} as decimal(12, 2)) from once where copy = 1 order by {key}""",
        {"lines": lines},
    )
    rows = rows_of(storage, [found.rows])
    column = "original_upb" if kind == "origination" else "current_actual_upb"
    assert [(row["file_line"], row[column]) for row in rows] == truth.fetchall()
    rejects = rejects_of(storage, [found.rejects])
    assert rejects.keys() | {row["file_line"] for row in rows} == set(range(1, len(lines) + 1))
    assert len(rejects) + len(rows) == len(lines)
    assert {line: raw.decode() for line, (_, raw, _) in rejects.items()} == {
        line: lines[line - 1] for line in rejects
    }
    assert Counter(code for code, _, _ in rejects.values()) == found.rejected
    assert found.rejected["field_count"] == 16
    assert found.rejected["duplicate_key"] == 10
    twice = next(line for line, (code, _, _) in rejects.items() if code == "duplicate_key")
    assert rejects[twice][2] == f"line {twice - 1} has the same key"


@pytest.mark.parametrize("kind", ["origination", "performance"])
def test_the_file_has_the_columns_and_the_physical_types_of_the_table(kind: Kind, tmp_path: Path) -> None:
    entry = taken(LINES[kind, "r47"].encode(), kind, "r47", path=tmp_path / "in.txt")
    (found,), storage = done(tmp_path / "root", entry)
    assert found.rows is not None
    file = pq.ParquetFile(storage.place(found.rows.path))
    assert file.schema_arrow == arrow_schema(TABLES[kind])
    stored = {
        "text": "BYTE_ARRAY",
        "smallint": "INT32",
        "date": "INT32",
        "bigint": "INT64",
        "boolean": "BOOLEAN",
    }
    for column, table_column in zip(file.schema, TABLES[kind].columns, strict=True):
        type_ = table_column.type
        decimal = "INT64" if (type_.precision or 0) > 9 else "INT32"
        assert (column.name, column.physical_type) == (table_column.name, stored.get(type_.name, decimal))
        assert column.max_definition_level == table_column.nullable


def test_the_size_of_splits_and_blocks_changes_nothing(tmp_path: Path) -> None:
    text = "\n".join(book("performance", "r47")).encode()
    found = []
    for name, lines, block in (("one", 10**6, 1 << 20), ("seven", 7, 100), ("single", 1, 1)):
        entry = taken(text, "performance", "r47", path=tmp_path / name / "in.txt", splits=splits(text, lines))
        parts, storage = done(tmp_path / name / "root", entry, block=block, unique=False)
        rows = rows_of(storage, [it.rows for it in parts])
        found.append((rows, rejects_of(storage, [it.rejects for it in parts]), len(parts)))
    assert [count for _, _, count in found] == [1, 8, 8]
    assert found[0][:2] == found[1][:2] == found[2][:2]


def test_a_piece_done_twice_has_the_same_bytes(tmp_path: Path) -> None:
    text = "\n".join(book("origination", "legacy")).encode()
    entry = taken(text, "origination", "legacy", path=tmp_path / "in.txt")
    written = []
    for name in ("first", "second"):
        (found,), storage = done(tmp_path / name, entry)
        assert found.rows
        assert found.rejects
        written.append((storage.read(found.rows.path), storage.read(found.rejects.path), found))
    assert written[0] == written[1]


def test_pieces_are_neighbouring_splits_whatever_the_machine() -> None:
    many = tuple(Split(at, at + 1, at + 1, 1) for at in range(100))
    cut = pieces(taken(b"x\n", "performance", "r47", splits=many, bytes=100))
    assert [split for piece in cut for split in piece.splits] == list(many)
    assert [piece.number for piece in cut] == list(range(8))
    assert {len(piece.splits) for piece in cut} == {12, 13}
    assert len(pieces(taken(b"x\n", "performance", "r47", splits=many, bytes=100 << 30))) == 100
    assert pieces(taken(b"x\n", "performance", "r47", splits=many[:1])) == [Piece(0, many[:1])]


def test_an_input_that_is_gone_or_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    entry = taken(LINES["performance", "r47"].encode() * 2, "performance", "r47", path=path)
    path.write_bytes(b"")
    with pytest.raises(InputRefused, match="hold 0 lines and held 1"):
        done(tmp_path / "root", entry)
    path.unlink()
    with pytest.raises(StorageUnusable, match="ingest it again from where it is now"):
        done(tmp_path / "root", entry)
