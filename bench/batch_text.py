"""Loan files of any size for the benches: a small synthetic book again and again, under other loan ids."""

import re
from collections.abc import Iterator
from pathlib import Path

from batch_jobs.ingest.census import take_census
from batch_jobs.manifest import Input, Kind
from batch_jobs.synthetic import write

VINTAGE = "2005Q1"
_LOANS = 4_000
_NAMES: dict[Kind, str] = {"origination": f"orig_{VINTAGE}.txt", "performance": f"perf_{VINTAGE}.txt"}
_ID = re.compile(rb"(?m)(?<![^|\n])(F05Q1)([0-9]{3})(?=[0-9]{4}\|)")


class Book:
    """A synthetic quarter of an r47 file, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        write(folder / "book", loans=_LOANS, seed=1, layout="r47", first=VINTAGE, last=VINTAGE, jobs=2)

    def file(self, kind: Kind, rows: int) -> Input:
        """About so many lines, in order, each key once; written and counted."""
        path = self._folder / f"{rows}_{_NAMES[kind]}"
        with path.open("wb") as file:
            for text in _copies((self._folder / "book" / _NAMES[kind]).read_bytes(), rows):
                file.write(text)
        with path.open("rb") as file:
            census = take_census(file, str(path))
        return Input(
            kind=kind,
            vintage=VINTAGE,
            layout="r47",
            losses="positive",
            name=path.name,
            path=str(path),
            held=False,
            sha256=census.sha256,
            bytes=census.bytes,
            rows=census.rows,
            splits=tuple(census.splits),
            taken_at="2026-11-21T12:00:00Z",
        )


def _copies(text: bytes, rows: int) -> Iterator[bytes]:
    """The book again and again; the last four digits of a loan's number stay, those before count copies."""
    lines = text.count(b"\n")
    copies = min(-(-rows // lines), 1_000)
    for copy in range(copies):
        renumbered = _ID.sub(rb"\g<1>%03d" % copy, text)
        if copy + 1 == copies:
            ends = [found.end() for found in re.finditer(rb"\n", renumbered)]
            renumbered = (
                renumbered[: ends[max(rows - copy * lines, 1) - 1]] if rows < copies * lines else renumbered
            )
        yield renumbered
