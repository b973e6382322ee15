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
_OLD_ID = re.compile(rb"(?:^|\|)F105Q1")


class Book:
    """A synthetic quarter of an r47 file, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        write(folder / "book", loans=_LOANS, seed=1, layout="r47", first=VINTAGE, last=VINTAGE, jobs=2)

    def file(self, kind: Kind, rows: int) -> Input:
        """About so many lines, in order, each key once; written and counted."""
        path = self._folder / f"{rows}_{_NAMES[kind]}"
        every = (self._folder / "book" / _NAMES[kind]).read_bytes().splitlines(keepends=True)
        lines = [
            line for line in every if not _OLD_ID.search(line)
        ]  # of the other form, which sorts elsewhere
        with path.open("wb") as file:
            for text in _copies(lines, rows):
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


def _copies(lines: list[bytes], rows: int) -> Iterator[bytes]:
    """The book again and again; the last four digits of a loan's number stay, those before count copies."""
    for copy in range(min(-(-rows // len(lines)), 1_000)):
        wanted = lines[: rows - copy * len(lines)]
        yield _ID.sub(rb"\g<1>%03d" % copy, b"".join(wanted))
