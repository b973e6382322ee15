"""Synthetic books, ingested and converted: what their truth says is what comes out, in both layouts."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from batch_jobs.conversion.pieces import Job, convert, pieces
from batch_jobs.ingest import ingest
from batch_jobs.manifest import Input, Kind
from batch_jobs.storage import Storage
from batch_jobs.synthetic import write
from batch_jobs.synthetic.truth import BadLine, Truth
from tests.batch_jobs.conversion.test_pieces import rejects_of, rows_of
from tests.doubles.clock import ManualClock

VINTAGE = "2005Q1"
ONLY_ONE_LAYOUT_HAS = {
    "layout",
    "file_line",
    "servicer_name",
    "mi_cancellation_indicator",
    "vantagescore_4_0",
    "bankruptcy_cramdown_costs",
    "cumulative_modification_costs",  # legacy: on the last row only
}


def book(folder: Path, layout: Any, dirty: float) -> tuple[Truth, dict[Kind, Input], Storage]:
    truth = write(folder / "book", loans=150, seed=5, layout=layout, first=VINTAGE, last=VINTAGE, dirty=dirty)
    storage = Storage(str(folder / "root"), {})
    taken = ingest([folder / "book"], storage, ManualClock())
    return truth, {it.input.kind: it.input for it in taken}, storage


def converted(
    entry: Input, storage: Storage
) -> tuple[list[dict[str, Any]], dict[int, tuple[str, bytes, str]]]:
    """Rows, those that repeat a key too, and rejects."""
    job = Job(entry=entry, storage=storage, folder=f"t/{entry.kind}", errors=f"e/{entry.kind}", unique=False)
    done = [convert(job, piece) for piece in pieces(entry)]
    return rows_of(storage, [it.rows for it in done]), rejects_of(storage, [it.rejects for it in done])


@pytest.mark.parametrize("layout", ["r47", "legacy"])
def test_bad_lines_get_the_codes_and_good_ones_the_sums_of_the_truth(layout: str, tmp_path: Path) -> None:
    truth, entries, storage = book(tmp_path, layout, dirty=0.05)
    listed = (tmp_path / "book" / f"bad_{VINTAGE}.ndjson").read_bytes().splitlines()
    bad = [msgspec.json.decode(line, type=BadLine) for line in listed]
    for kind, entry in entries.items():
        rows, rejects = converted(entry, storage)
        codes = {it.line: it.code for it in bad if it.file == entry.name}
        repeated = {line for line, code in codes.items() if code == "duplicate_key"}
        assert repeated
        assert {line: code for line, (code, _, _) in rejects.items()} == {
            line: code for line, code in codes.items() if line not in repeated
        }
        assert {row["file_line"] for row in rows} >= repeated
        rows = [row for row in rows if row["file_line"] not in repeated]
        (file,) = [file for file in truth.files if file.kind == kind]
        assert len(rows) == file.rows
        sums = {name: sum((row[name] or Decimal(0) for row in rows), Decimal(0)) for name in file.sums}
        assert sums == file.sums


def test_the_same_loans_are_the_same_rows_in_both_layouts(tmp_path: Path) -> None:
    rows: dict[str, dict[Kind, list[dict[str, Any]]]] = {}
    for layout in ("r47", "legacy"):
        _, entries, storage = book(tmp_path / layout, layout, dirty=0)
        rows[layout] = {kind: converted(entry, storage)[0] for kind, entry in entries.items()}
    for kind in rows["r47"]:
        new, old = (
            [{name: row[name] for name in row.keys() - ONLY_ONE_LAYOUT_HAS} for row in rows[layout][kind]]
            for layout in ("r47", "legacy")
        )
        assert len(new) >= 150
        assert new == old
