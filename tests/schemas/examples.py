"""The golden examples of every record type, read for the tests of all their consumers."""

from pathlib import Path
from typing import NamedTuple

import headrace.schemas

ROOT = Path(headrace.schemas.__file__).parent / "examples"


class Example(NamedTuple):
    """One record's bytes; `code` is the expected reject code, None for a good one."""

    record_type: str
    name: str
    code: str | None
    raw: bytes

    def __str__(self) -> str:
        return f"{self.record_type}:{self.name}"


def good_examples() -> list[Example]:
    return [_read(path, code=None) for path in sorted(ROOT.glob("*/good/*.json"))]


def bad_examples() -> list[Example]:
    return [_read(path, code=path.stem.split("-")[0]) for path in sorted(ROOT.glob("*/bad/*.json"))]


def _read(path: Path, code: str | None) -> Example:
    return Example(path.parent.parent.name, path.stem, code, path.read_bytes())
