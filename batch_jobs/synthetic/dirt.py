"""Bad lines: spoiled copies beside sound lines, each with the reject code that it must get.

A bad line takes no good one's place: the good lines are those of the clean book, whatever the share.
One bad line in five is a duplicate, a second line of a loan or of a month; one in five of these comes far
behind the first, and every second one tells another balance, so that the sums show if the wrong one is taken.
"""

from collections.abc import Callable, Sequence
from math import log1p
from random import Random
from typing import Literal, NamedTuple

from batch_jobs.synthetic.mix import Mix, chance
from headrace.schemas.reject_codes import RejectCode

Kind = Literal["origination", "performance"]

CODES = {  # the one place that says what each defect is
    "short": RejectCode.FIELD_COUNT,
    "long": RejectCode.FIELD_COUNT,
    "stray_delimiter": RejectCode.FIELD_COUNT,
    "bad_id": RejectCode.BAD_VALUE,
    "bad_date": RejectCode.BAD_VALUE,
    "bad_code": RejectCode.BAD_VALUE,
    "out_of_range": RejectCode.OUT_OF_RANGE,
    "text_for_number": RejectCode.WRONG_TYPE,
    "point_in_integer": RejectCode.WRONG_TYPE,
    "exponent_in_decimal": RejectCode.WRONG_TYPE,
    "duplicate": RejectCode.DUPLICATE_KEY,
    "far_duplicate": RejectCode.DUPLICATE_KEY,
}
_DUPLICATES = {"duplicate", "far_duplicate"}
_WEIGHTS: dict[str, float] = dict.fromkeys(CODES, 8.0) | {"duplicate": 16.0, "far_duplicate": 4.0}
_DEFECTS = Mix(_WEIGHTS)

# What to put where (0-based) for each defect that is one bad value; the same fields in both layouts.
_VALUES: dict[Kind, dict[str, Sequence[tuple[int, str]]]] = {
    "origination": {
        "bad_id": ((19, "F05X10000001"), (19, "0500001"), (19, "F05Q50000001")),
        "bad_date": ((1, "200513"), (1, "2005-04"), (3, "203500")),
        "bad_code": ((7, "Z"), (13, "X"), (17, "ZZ"), (20, "Q")),
        "out_of_range": ((0, "900"), (0, "12"), (8, "1200"), (9, "66")),
        "text_for_number": ((0, "good"), (9, "n/a"), (21, "long")),
        "point_in_integer": ((0, "700.0"), (8, "80.0"), (21, "360.0")),
        "exponent_in_decimal": ((10, "1e5"), (12, "6e0")),
    },
    "performance": {
        "bad_id": ((0, "F05X10000001"), (0, "0500001"), (0, "F05Q50000001")),
        "bad_date": ((1, "200513"), (1, "2005-04"), (1, "200500")),
        "bad_code": ((7, "Q"), (8, "98"), (24, "Z"), (29, "X")),
        "out_of_range": ((25, "1200"), (4, "99999"), (10, "999999.000")),
        "text_for_number": ((2, "much"), (4, "old"), (5, "n/a")),
        "point_in_integer": ((4, "1.0"), (5, "359.0")),
        "exponent_in_decimal": ((2, "1e2"), (10, "6e0"), (31, "1e5")),
    },
}
_BALANCE = {"origination": 10, "performance": 2}


class Bad(NamedTuple):
    """A bad line by its place among its neighbours, from 0."""

    place: int
    defect: str


def soil(
    rng: Random, kind: Kind, lines: Sequence[str], share: float, earlier: Callable[[], str | None]
) -> tuple[list[str], list[Bad]]:
    """The lines with bad ones among them: `share` of the good ones have a spoiled copy before or behind them.

    `earlier` gives a good line from far before in the same file, or None where there is none.
    """
    mixed: list[str] = []
    bad: list[Bad] = []
    done, spoiled = 0, _gap(rng, share)
    while spoiled < len(lines):
        mixed += lines[done : spoiled + 1]
        defect, copy = _copy(rng, kind, lines[spoiled], earlier)
        place = len(mixed) - (defect not in _DUPLICATES and chance(rng, 0.5))
        mixed.insert(place, copy)
        bad.append(Bad(place, defect))
        done, spoiled = spoiled + 1, spoiled + 1 + _gap(rng, share)
    return [*mixed, *lines[done:]], bad


def _gap(rng: Random, share: float) -> int:
    """Lines until the next one to spoil, where each is with this chance."""
    return int(rng.expovariate(-log1p(-share)))


def _copy(rng: Random, kind: Kind, line: str, earlier: Callable[[], str | None]) -> tuple[str, str]:
    """(defect, bad line)."""
    defect = _DEFECTS.draw(rng)
    if defect == "far_duplicate":
        found = earlier()
        if found is None:
            defect = "duplicate"
        line = found or line
    fields = line[:-1].split("|")
    if defect == "short":
        fields.pop()
    elif defect == "long":
        fields.append("")
    elif defect == "stray_delimiter":
        fields[rng.randrange(len(fields))] += "|"
    elif defect in _DUPLICATES:
        if chance(rng, 0.5):
            fields[_BALANCE[kind]] = f"{float(fields[_BALANCE[kind]]) + 1000:.2f}"
    else:
        place, text = rng.choice(_VALUES[kind][defect])
        fields[place] = text
    return defect, "|".join(fields) + "\n"
