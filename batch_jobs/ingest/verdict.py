"""Whether a file is what its name says, and which layout and which sign of a loss it has.

Source: the layouts of July 2026 (R47: 31 and 35 columns) and before (legacy: 32 and 32 columns).
"""

from typing import Literal, NamedTuple

from batch_jobs.ingest.census import Census
from batch_jobs.ingest.names import LoanName
from batch_jobs.manifest import Kind
from headrace.errors import InputRefused

Layout = Literal["legacy", "r47"]
Sign = Literal["positive", "negative"]
_LAYOUTS: dict[Kind, dict[int, Layout]] = {
    "origination": {31: "r47", 32: "legacy"},
    "performance": {35: "r47", 32: "legacy"},
}
_ID_COLUMN: dict[Kind, int] = {"origination": 20, "performance": 1}


class Verdict(NamedTuple):
    """Told once per file; `odd_rows` have another number of fields than its layout."""

    layout: Layout
    losses: Sign
    odd_rows: int


def judge(census: Census, name: LoanName, place: str) -> Verdict:
    """Raises InputRefused, which names the file, the line and the count, when it is none that can be read."""
    if not census.rows:
        raise InputRefused(f"{place} is empty")
    fields, most = max(census.field_counts.items(), key=lambda item: item[1].rows)
    layouts = _LAYOUTS[name.kind]
    if fields not in layouts or most.rows * 2 <= census.rows:
        wanted = " or ".join(f"{count} ({layout})" for count, layout in layouts.items())
        raise InputRefused(
            f"{place}: line {most.first:,} has {fields} fields, as {most.rows:,} of {census.rows:,} lines; "
            f"{name.kind} files have {wanted}"
        )
    _check_ids(census, name, place)
    if census.last_is_open and census.last_field_count != fields:
        raise InputRefused(
            f"{place} is cut short: line {census.rows:,}, the last, has {census.last_field_count} of "
            f"{fields} fields and no line end; download it anew"
        )
    layout = layouts[fields]
    return Verdict(layout, _losses(census, name.kind, layout), census.rows - most.rows)


_CLEARLY = 3
"""More liquidations against the layout's sign than for it, before they count: gains alone, once in 60,000."""


def _check_ids(census: Census, name: LoanName, place: str) -> None:
    """The loan id stands where the kind has it, and names the vintage."""
    here, there = census.ids_first, census.ids_twentieth
    if name.kind == "origination":
        here, there = there, here
    if sum(here.values()) * 2 <= census.sampled:
        if sum(there.values()) * 2 > census.sampled:
            raise InputRefused(f"{place} is named as one of {name.kind}, and holds the other kind")
        raise InputRefused(
            f"{place}: most lines have no loan id such as F05Q10000001 in column {_ID_COLUMN[name.kind]}"
        )
    quarters = {quarter: count for quarter, count in here.items() if quarter.startswith(name.vintage[2:])}
    if sum(quarters.values()) * 2 <= sum(here.values()):
        found = max(here, key=lambda quarter: here[quarter])
        raise InputRefused(f"{place} is named {name.vintage}, and most of its loan ids say {found}")


def _losses(census: Census, kind: Kind, layout: Layout) -> Sign:
    """The layout's sign of a loss, unless the liquidations of the file clearly have the other.

    Their median is a loss. One in forty is a gain, so a few against the layout may be gains alone.
    What stands in the two columns of an origination file is no loss.
    """
    usual: Sign = "positive" if layout == "r47" else "negative"
    agree, contradict = census.losses_positive, census.losses_negative
    if usual == "negative":
        agree, contradict = contradict, agree
    if kind == "origination" or contradict - agree < _CLEARLY:
        return usual
    return "negative" if usual == "positive" else "positive"
