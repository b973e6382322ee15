"""What a loan file's name says: its kind and its vintage.

Source: the General User Guide of the Single-Family Loan-Level Dataset (July 2026, and those since Oct 2021).
"""

import re
from typing import NamedTuple

from batch_jobs.manifest import Kind
from headrace.errors import InputRefused

_KINDS: dict[str, Kind] = {
    "orig": "origination",
    "historical_data": "origination",
    "sample_orig": "origination",
    "perf": "performance",
    "historical_data_time": "performance",
    "sample_perf": "performance",
    "sample_svcg": "performance",
}
_FLAGS = re.IGNORECASE | re.ASCII
_QUARTER = re.compile(
    r"(orig|perf|historical_data|historical_data_time)_((?:19|20)[0-9]{2}Q[1-4])\.txt", _FLAGS
)
_YEAR = re.compile(r"(sample_orig|sample_perf|sample_svcg)_((?:19|20)[0-9]{2})\.txt", _FLAGS)
_OF_2018 = re.compile(r"historical_data1(_time)?_Q[1-4](19|20)[0-9]{2}\.txt", _FLAGS)
READ = (
    "orig_YYYYQn.txt, perf_YYYYQn.txt, historical_data_YYYYQn.txt, historical_data_time_YYYYQn.txt, "
    "sample_orig_YYYY.txt, sample_perf_YYYY.txt, sample_svcg_YYYY.txt, and zips that hold them"
)


class LoanName(NamedTuple):
    """A file's own name, without folders, and what it says."""

    name: str
    kind: Kind
    vintage: str


def loan_name(path: str, place: str) -> LoanName | None:
    """What the last part of a path says; None for a file that is none of ours. `place` is for the error.

    Raises InputRefused for a file of the guide of 2018, which has other columns.
    """
    name = _last_part(path)
    if found := _QUARTER.fullmatch(name) or _YEAR.fullmatch(name):
        return LoanName(name, _KINDS[found[1].lower()], found[2].upper())
    if _OF_2018.fullmatch(name):
        raise InputRefused(
            f"{place} has the layout of 2018 (27 and 25 columns), which is not read: download the quarter "
            "anew; its files are now called orig_YYYYQn.txt and perf_YYYYQn.txt"
        )
    return None


def is_zip(path: str) -> bool:
    """Whether it is a zip by its name; hidden files, as macOS adds them to a zip, are none."""
    name = _last_part(path)
    return name.lower().endswith(".zip") and not name.startswith(".")


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]
