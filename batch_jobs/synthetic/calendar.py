"""Months as numbers, quarters as vintages, and since when a field has values.

A month is `12 * year + month - 1`, so that months can be added; a quarter is `4 * year + quarter - 1`.
"""

import re

from headrace.errors import SettingsError

FIRST_QUARTER, LAST_QUARTER = 4 * 1999, 4 * 2025 + 3
LAST_PERIOD = 12 * 2026 + 2  # the newest period of any file: March 2026

# Origination quarters from which a field has values; before, it is null throughout.
SUPER_CONFORMING = 4 * 2008 + 3
HARP, HARP_ENDED = 4 * 2009 + 1, 4 * 2019
VANTAGESCORE = 4 * 2013 + 1
PROGRAMMES = 4 * 2015
VALUATION, ACE_PDR = 4 * 2017, 4 * 2022
MANY_BORROWERS = 4 * 2018 + 1  # before, 2 means 2 or more

# Periods from which a field has values.
DISASTER = 12 * 2014
ELTV = 12 * 2017 + 3
DEFERRAL = 12 * 2018

_TEXTS = {month: f"{month // 12}{month % 12 + 1:02d}" for month in range(12 * 1990, 12 * 2080)}
yyyymm = _TEXTS.__getitem__


def quarter_of(vintage: str, *, last: bool = False) -> int:
    """The number of a quarter written `2005Q1`, or of the first (or the last) one of `2005`.

    Raises SettingsError for another text, or a quarter before 1999Q1 or after 2025Q4.
    """
    found = re.fullmatch(r"(\d{4})(?:Q([1-4]))?", vintage, re.ASCII)
    if found is None:
        raise SettingsError(f"{vintage!r} is no vintage: write 2005 or 2005Q1")
    quarter = 4 * int(found[1]) + (int(found[2]) - 1 if found[2] else 3 * last)
    if not FIRST_QUARTER <= quarter <= LAST_QUARTER:
        raise SettingsError(f"{vintage} is outside of the vintages 1999Q1 to 2025Q4")
    return quarter


def vintage_of(quarter: int) -> str:
    """`2005Q1`."""
    return f"{quarter // 4}Q{quarter % 4 + 1}"
