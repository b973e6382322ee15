import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.demo_input import EXAMPLE, Feeds, Replay
from cli.demo_progress import Filled, Progress
from cli.demo_words import how_to_go_on, lateness
from headrace.errors import SourceUnreadable
from headrace.schemas.registry import OUTPUTS
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


def filled(output: str, records: int, late: int) -> Filled:
    """An output whose late records are of 17 to 20 May 2015."""
    times = (MAY, MAY.replace(day=20)) if late else (None, None)
    return Filled(OUTPUTS[output], 4, MAY.replace(day=21), records, late, *times)


def test_late_records_are_explained_by_their_times_type_by_type() -> None:
    outputs = filled("web_traffic_1m", 1_000, 1_000), filled("wiki_edits_1m", 10, 4)
    text = lateness(Progress(outputs=outputs), "REBASE=now helps.")
    assert "All 1,000 records of web_access.v1 count as late: their times are past, 2015-05-17 10:05" in text
    assert "to 2015-05-20 10:05" in text
    assert "4 of 10 records of wiki_edit.v1 count as late" in text
    assert "flagged. REBASE=now helps.\n" in text


def test_where_nothing_is_late_nothing_is_said() -> None:
    assert lateness(Progress(outputs=(filled("web_traffic_1m", 10, 0),)), "REBASE=now helps.") == ""


def test_the_remedy_for_old_times_is_told_where_it_was_not_taken(tmp_path: Path) -> None:
    assert "REBASE=now" in Replay(EXAMPLE, rebased=False, speed=None).remedy
    assert Replay(EXAMPLE, rebased=True, speed=None).remedy == ""
    config = tmp_path / "live.toml"
    config.write_text('[inputs.web]\nsource = "file"\npaths = ["a.log"]\n')
    assert 'rebase = "now" in [inputs.web]' in Feeds(config, 9).remedy
    config.write_text('[inputs.people]\nsource = "random-user"\n')
    assert Feeds(config, 9).remedy == ""


def test_the_first_output_of_each_type_that_comes_is_watched(tmp_path: Path) -> None:
    config = tmp_path / "live.toml"
    config.write_text(
        '[inputs.people]\nsource = "random-user"\n'
        '[inputs.web]\nsource = "file"\npaths = ["a.log"]\nfollow = true\n'
    )
    assert Feeds(config, 9).watched == ["web_traffic_1m", "user_signups_10m"]
    assert Feeds(config, 9).title == f"people, web of {config}, for 9 s"


def test_a_failed_demo_points_to_its_logs_and_to_nothing_else() -> None:
    state = Path(".headrace")
    assert how_to_go_on(state, 12, Progress(), [], good=False).endswith("Its logs are in .headrace/log.")
    assert "headrace reconcile" in how_to_go_on(state, 12, Progress(), [], good=True)


def test_questions_are_of_what_has_come_one_for_each_type() -> None:
    text = how_to_go_on(Path(".headrace"), 12, Progress(), list(OUTPUTS.values()), good=True)
    asked = [line.split('"')[1] for line in text.splitlines() if "query" in line]
    assert asked == [
        "select path, sum(requests) from web_paths_5m group by path order by 2 desc limit 5",
        "select country, sum(signups) from user_signups_10m group by country order by 2 desc limit 5",
        "select wiki, sum(edits) from wiki_edits_1m group by wiki order by 2 desc limit 5",
    ]
    some = how_to_go_on(Path(".headrace"), 12, Progress(), [OUTPUTS["user_signups_10m"]], good=True)
    assert "windows user_signups_10m" in some
    assert "web" not in some


def test_rejected_records_are_pointed_to_only_where_there_are_some() -> None:
    state = Path(".headrace")
    assert "from rejects" in how_to_go_on(state, 12, Progress(rejected=1), [], good=True)
    assert "from rejects" not in how_to_go_on(state, 12, Progress(), [], good=True)


def test_the_example_is_there_and_whole() -> None:
    assert len(EXAMPLE.read_bytes().splitlines()) == 10_000


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
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
