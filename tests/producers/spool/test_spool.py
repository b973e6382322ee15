from pathlib import Path

import pytest

from headrace.errors import SpoolInUse, SpoolUnusable
from tests.producers.spool.spools import OpenSpool, fill, open_spool


def test_the_second_producer_is_refused_and_told_who_holds_the_spool(
    reopen: OpenSpool, tmp_path: Path
) -> None:
    reopen()
    with pytest.raises(SpoolInUse, match=r"process \d+.*--spool"):
        open_spool(tmp_path / "spool")


def test_a_life_that_was_closed_is_followed_by_one_that_knows_the_places(reopen: OpenSpool) -> None:
    spool = reopen()
    fill(spool.life(), b"a")
    spool.life().close("ended")
    spool = reopen()
    fill(spool.life(), b"b", start=7)
    assert [life.source for life in spool.lives] == [f"web-7/{1:026d}", f"web-7/{2:026d}"]
    assert spool.positions == {"in": "8"}


def test_finished_lives_are_deleted_but_for_the_last(reopen: OpenSpool) -> None:
    spool = reopen()
    fill(spool.life(), b"a")
    first = spool.life()
    first.close("ended")
    first.acknowledge(1)
    first.mark_reported()
    spool.life()
    spool.sweep()
    assert len(spool.lives) == 2  # the new life has written nothing yet: it does not know the place
    spool = reopen()
    assert spool.positions == {"in": "1"}
    fill(spool.life(), b"b", start=1)
    spool.sweep()
    assert len(spool.lives) == 1
    assert not first.directory.exists()
    assert reopen().positions == {"in": "2"}


def test_a_place_that_cannot_hold_a_spool_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SpoolUnusable, match="--spool"):
        open_spool(tmp_path / "file")
