import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.demo_input import EXAMPLE, Replay
from cli.demo_progress import Progress
from cli.demo_words import how_to_go_on, lateness
from headrace.errors import SourceUnreadable
from tests.cli.conftest import Headrace

MAY = datetime(2015, 5, 17, 10, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("progress", "lag", "complete"),
    [
        (Progress(), 0, False),
        (Progress(sent=9, counted=4, rejected=1), 4, False),
        (Progress(sent=9, counted=8, rejected=1), 0, False),
        (Progress(sent=9, counted=8, rejected=1, closed=True), 0, True),
        (Progress(sent=0, closed=True), 0, True),
    ],
)
def test_a_demo_is_complete_when_the_producer_is_done_and_nothing_is_under_way(
    progress: Progress, lag: int, complete: bool
) -> None:
    assert (progress.lag, progress.complete) == (lag, complete)


def test_late_records_are_explained_with_the_logs_dates() -> None:
    text = lateness(Progress(counted=10, late=10, first=MAY, newest=MAY.replace(day=20)), rebased=False)
    assert "2015-05-17 to 2015-05-20" in text
    assert "all records count as late" in text
    assert "REBASE=now" in text
    some = lateness(Progress(counted=10, late=4, first=MAY, newest=MAY), rebased=True)
    assert "4 of 10 records" in some
    assert "REBASE" not in some


def test_where_nothing_is_late_nothing_is_said() -> None:
    assert lateness(Progress(counted=10, first=MAY, newest=MAY), rebased=False) == ""


def test_a_failed_demo_points_to_its_logs_and_to_nothing_else() -> None:
    state = Path(".headrace")
    assert how_to_go_on(state, 12, Progress(), good=False).endswith("Its logs are in .headrace/log.")
    assert "headrace reconcile" in how_to_go_on(state, 12, Progress(), good=True)


def test_rejected_records_are_pointed_to_only_where_there_are_some() -> None:
    state = Path(".headrace")
    assert "from rejects" in how_to_go_on(state, 12, Progress(rejected=1), good=True)
    assert "from rejects" not in how_to_go_on(state, 12, Progress(), good=True)


def test_the_example_is_there_and_whole() -> None:
    assert len(EXAMPLE.read_bytes().splitlines()) == 10_000


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (gzip.compress(b""), "is empty"),
        (bytes(range(256)) * 40, "is no text"),
    ],
)
def test_what_is_no_log_is_said_before_anything_is_started_or_removed(
    headrace: Headrace, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    treasure = tmp_path / ".headrace/postgres/PG_VERSION"
    treasure.parent.mkdir(parents=True)
    treasure.touch()
    log = tmp_path / "some.log"
    if content is not None:
        log.write_bytes(content)
    answer = headrace("demo", "--log", str(log))
    assert answer.code == 2
    assert answer.err.startswith(f"headrace: {log} {complaint}")
    assert answer.out == ""
    assert treasure.exists()


@pytest.mark.parametrize(
    "wrong", [["--speed", "0"], ["--speed", "fast"], ["--rebase", "yesterday"], ["surplus"]]
)
def test_wrong_options_are_told(headrace: Headrace, wrong: list[str]) -> None:
    assert headrace("demo", *wrong).code == 2


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable):
        Replay(tmp_path, rebased=False, speed=None).check()
