import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import errors

ROOT = Path(__file__).parents[1]
PACKAGES = ("headrace", "producers", "stream_jobs", "lambdas", "batch_jobs", "infra", "cli", "bench")
MODULES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
)
LONGEST_MODULE = 300


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_opens_with_its_one_idea_and_is_not_too_long(module: Path) -> None:
    text = (ROOT / module).read_text()
    assert ast.get_docstring(ast.parse(text)), "say in one sentence what the module is"
    assert len(text.splitlines()) <= LONGEST_MODULE


def test_every_package_is_under_the_import_contracts_and_on_the_map() -> None:
    contracts = (ROOT / "pyproject.toml").read_text()
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    listed = re.search(r"root_packages = \[(.*)\]", contracts)
    assert listed
    top = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench"}
    assert set(re.findall(r'"(\w+)"', listed[1])) == top
    assert [package for package in top if f"`{package}/" not in guide] == []


def all_errors(
    kind: type[errors.HeadraceError] = errors.HeadraceError,
) -> Iterator[type[errors.HeadraceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from all_errors(child)


def test_the_tree_of_errors_is_drawn_whole_and_every_error_has_a_fate() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted(kind.__name__ for kind in all_errors())
    assert {kind.fate for kind in all_errors()} == set(errors.Fate)
    assert {kind.__module__ for kind in all_errors()} == {errors.__name__}


def test_no_module_makes_metrics_of_its_own() -> None:
    makers = [
        str(m)
        for m in MODULES
        if re.search(r"\b(Counter|Gauge|Histogram|Summary)\(\s*\"", (ROOT / m).read_text())
    ]
    assert makers == ["headrace/ops/metrics.py"]
