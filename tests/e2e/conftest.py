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


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path / "state")
    yield laptop
    laptop.headrace("down", "--now")
