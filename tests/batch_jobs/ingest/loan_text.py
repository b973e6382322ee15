"""Loan files in a few lines of plain Python, and zips of them."""

import io
import zipfile
from collections.abc import Mapping

ORIGINATION = {"r47": 31, "legacy": 32}
PERFORMANCE = {"r47": 35, "legacy": 32}


def originations(rows: int = 5, *, quarter: str = "05Q1", layout: str = "r47", first: int = 1) -> bytes:
    """Originations of one quarter: the loan id stands in column 20."""
    return b"".join(
        line(ORIGINATION[layout], {1: "700", 17: "NY", 20: f"F{quarter}{number:07d}"})
        for number in range(first, first + rows)
    )


def performance(
    rows: int = 5, *, quarter: str = "05Q1", layout: str = "r47", losses: tuple[str, ...] = ()
) -> bytes:
    """One month of each loan; behind those a liquidation for each loss."""
    good = (
        line(PERFORMANCE[layout], {1: f"F{quarter}{number:07d}", 2: "200503", 3: "1000.00"})
        for number in range(1, rows + 1)
    )
    bad = (
        line(PERFORMANCE[layout], {1: f"F{quarter}{number:07d}", 2: "200803", 9: "09", 22: loss})
        for number, loss in enumerate(losses, 1)
    )
    return b"".join((*good, *bad))


def line(fields: int, values: Mapping[int, str]) -> bytes:
    """One line by its columns, from 1."""
    return "|".join(values.get(column, "") for column in range(1, fields + 1)).encode() + b"\n"


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()
