from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.laptop import Laptop
from tests.e2e.truth import Truth

LOG = Path(__file__).parents[2] / "examples/access.log"


@pytest.fixture(scope="session")
def log() -> Path:
    return LOG


@pytest.fixture(scope="session")
def truth() -> Truth:
    return Truth(LOG)


@pytest.fixture(scope="session")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A running stack that counts and does no more, shared by the tests of its xdist group."""
    laptop = Laptop(tmp_path_factory.mktemp("counting") / "state")
    laptop.headrace("up", "--without", "archive", "--without", "error-desk")
    yield laptop
    laptop.headrace("down", "--now")


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path / "state")
    yield laptop
    laptop.headrace("down", "--now")
