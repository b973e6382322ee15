import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    made = re.findall(r"Create `([^`]+)`:", text)
    tests = [name for name in re.findall(r"`(tests/[\w/]+\.py)`", text) if name not in made]
    links = [link.split("#")[0] for link in re.findall(r"\]\((?!http)([^)]+)\)", text)]
    missing = [name for name in tests if not (ROOT / name).exists()]
    for name, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text):
        if not (ROOT / name).exists() or f"def {test}(" not in (ROOT / name).read_text():
            missing.append(f"{name}::{test}")
    missing += [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_every_promise_names_the_tests_that_show_it() -> None:
    promises = re.split(r"^## (?=\d)", (ROOT / "docs/semantics.md").read_text(), flags=re.MULTILINE)[1:]
    assert len(promises) == 6
    assert [promise.splitlines()[0] for promise in promises if "Shown by:" not in promise] == []
