from pathlib import Path

import pytest

from batch_jobs.synthetic import write
from batch_jobs.synthetic.truth import Truth
from tests.batch_jobs.synthetic.books import LAYOUTS

Books = dict[str, tuple[Path, Truth]]


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """One book of all vintages in either layout, with its folder; 3 % of the lines have a bad copy."""
    made: Books = {}
    for layout in LAYOUTS:
        folder = tmp_path_factory.mktemp(layout)
        truth = write(folder, loans=540, seed=11, layout=layout, first="1999", last="2025", dirty=0.03)
        made[layout] = (folder, truth)
    return made
