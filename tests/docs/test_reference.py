import re
from pathlib import Path

from cli.reference import reference

ROOT = Path(__file__).parents[2]


def test_the_reference_lists_everything_as_it_is_declared_now() -> None:
    assert (ROOT / "docs/reference.md").read_text() == "\n".join(reference()) + "\n", "run `make docs`"


def test_every_declaration_says_what_it_means() -> None:
    assert [line for line in reference() if re.search(r"\|\s*\|$", line)] == []
