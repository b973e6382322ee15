from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.spool.spool import Spool
from tests.producers.spool.spools import OpenSpool, open_spool


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[OpenSpool]:
    """Opens the same spool again and again; the one before is closed first."""
    opened: list[Spool] = []

    def again(**change: object) -> Spool:
        if opened:
            opened.pop().close()
        opened.append(open_spool(tmp_path / "spool", **change))
        return opened[-1]

    yield again
    for spool in opened:
        spool.close()
