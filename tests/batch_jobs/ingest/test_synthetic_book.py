"""The census of a synthetic book, against what its generator counted while it wrote it."""

from pathlib import Path
from typing import Literal

import pytest

from batch_jobs.ingest import ingest
from batch_jobs.storage import Storage
from batch_jobs.synthetic import write
from tests.doubles.clock import ManualClock


@pytest.mark.parametrize(("layout", "losses"), [("r47", "positive"), ("legacy", "negative")])
@pytest.mark.parametrize("zipped", [False, True])
def test_the_census_agrees_with_the_generator(
    tmp_path: Path, clock: ManualClock, layout: Literal["r47", "legacy"], losses: str, zipped: bool
) -> None:
    book = tmp_path / "book"
    truth = write(
        book, loans=80, seed=3, layout=layout, first="2006Q1", last="2006Q2", dirty=0.02, zipped=zipped
    )
    taken = ingest([book], Storage(str(tmp_path / "root"), {}), clock)
    found = {one.input.name: one for one in taken}
    assert set(found) == {file.name for file in truth.files}
    for file in truth.files:
        entry = found[file.name].input
        assert (entry.kind, entry.vintage, entry.layout) == (file.kind, file.vintage, layout)
        assert (entry.sha256, entry.bytes, entry.rows) == (file.sha256, file.bytes, file.lines)
        assert entry.losses == losses
        assert found[file.name].odd_rows == file.rejected.get("field_count", 0)
    assert sum(one.odd_rows for one in taken) > 0
