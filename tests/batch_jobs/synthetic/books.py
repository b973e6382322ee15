"""Reads a book as plain text, knowing nothing of how it was written."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from batch_jobs.synthetic.book import Made, make, quarters
from batch_jobs.synthetic.truth import Book, FileTruth

Layout = Literal["r47", "legacy"]
LAYOUTS: tuple[Layout, ...] = ("r47", "legacy")
ID = {"origination": 19, "performance": 0}  # 0-based


def made(loans: int, first: str, last: str, seed: int = 1) -> Iterator[Made]:
    """The loans of a book, without files."""
    for quarter in quarters(Book(loans=loans, seed=seed, layout="r47", first=first, last=last)):
        for number in quarter.loan_numbers():
            yield make(seed, quarter, number)


def lines(folder: Path, name: str) -> list[str]:
    text = (folder / name).read_bytes().decode("ascii")
    assert text.endswith("\n")
    return text.split("\n")[:-1]


def ndjson(folder: Path, kind: str, vintage: str) -> list[Any]:
    return [json.loads(line) for line in (folder / f"{kind}_{vintage}.ndjson").read_text().splitlines()]


def good_rows(folder: Path, files: Iterable[FileTruth]) -> Iterator[list[str]]:
    """The fields of every line that the truth does not call bad."""
    for file in files:
        bad = {it["line"] for it in ndjson(folder, "bad", file.vintage) if it["file"] == file.name}
        for number, line in enumerate(lines(folder, file.name), start=1):
            if number not in bad:
                yield line.split("|")
