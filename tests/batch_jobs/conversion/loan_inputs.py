"""Inputs of lines, as the census would find them."""

import hashlib
from pathlib import Path
from typing import Any

from batch_jobs.ingest.census import Census
from batch_jobs.manifest import Input, Kind, Split
from tests.schemas.loan_lines import LEGACY_MONTH, LEGACY_ORIGINATION, R47_MONTH, R47_ORIGINATION

LINES: dict[tuple[Kind, str], str] = {
    ("origination", "r47"): R47_ORIGINATION,
    ("origination", "legacy"): LEGACY_ORIGINATION,
    ("performance", "r47"): R47_MONTH,
    ("performance", "legacy"): LEGACY_MONTH,
}
ID_COLUMN: dict[Kind, int] = {"origination": 20, "performance": 1}


def taken(text: bytes, kind: Kind, layout: Any, *, path: Path | None = None, **changes: Any) -> Input:
    """An input of this text, in one split, or in those of the census when it is written to `path`."""
    rows = text.count(b"\n") + (not text.endswith(b"\n"))
    name = path.name if path else "any.txt"
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    facts: dict[str, Any] = {
        "kind": kind,
        "vintage": "2005Q1",
        "layout": layout,
        "losses": "positive",
        "name": name,
        "path": str(path or "/nowhere"),
        "held": False,
        "sha256": hashlib.sha256(text).hexdigest(),
        "bytes": len(text),
        "rows": rows,
        "splits": (Split(0, len(text), 1, rows),),
        "taken_at": "2026-11-21T12:00:00Z",
    }
    return Input(**(facts | changes))


def splits(text: bytes, lines: int) -> tuple[Split, ...]:
    """Splits of so many lines."""
    census = Census(split=1)
    every = text.splitlines(keepends=True) if b"\r" not in text else text.split(b"\n")
    for start in range(0, len(every), lines):
        census.add(b"".join(every[start : start + lines]))
    return tuple(census.splits)


def with_cells(line: str, cells: dict[int, str]) -> str:
    """The line with other texts in some columns, counted from 1."""
    parts = line.split("|")
    for column, text in cells.items():
        parts[column - 1] = text
    return "|".join(parts)
