"""`headrace batch ingest` as a person calls it."""

import json
from pathlib import Path

import pytest

from tests.batch_jobs.ingest.loan_text import line, originations, performance, zipped
from tests.cli.conftest import Headrace


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    members = {
        "orig_2005Q1.txt": originations(),
        "perf_2005Q1.txt": performance(losses=("-5.00", "-6.00", "-7.00")),
    }
    (folder / "q.zip").write_bytes(zipped({**members, "read\x1bme.txt": b""}))
    (folder / "historical_data_2006Q1.txt").write_bytes(
        originations(3, quarter="06Q1", layout="legacy") + line(3, {})
    )
    return folder


def test_it_shows_each_file_and_a_second_time_that_it_was_taken(headrace: Headrace, given: Path) -> None:
    answer = headrace("batch", "ingest", str(given))
    rows = {cells[0]: cells[1:] for text in answer.out.splitlines() if (cells := text.split())}
    assert answer.code == 0
    assert rows["orig_2005Q1.txt"] == ["origination", "2005Q1", "r47", "positive", "5", "0", "new"]
    assert rows["perf_2005Q1.txt"] == ["performance", "2005Q1", "r47", "negative", "8", "0", "new"]
    assert rows["historical_data_2006Q1.txt"] == [
        *("origination", "2006Q1", "legacy", "negative", "4", "1", "new")
    ]
    assert "odd rows have another number of fields" in answer.out
    assert f"passed over, no loan files: {given / 'q.zip'} > read\\x1bme.txt\n" in answer.out
    again = headrace("batch", "ingest", str(given))
    assert (again.code, again.out.count("taken already")) == (0, 3)


def test_a_program_reads_what_was_taken(headrace: Headrace, given: Path) -> None:
    told = json.loads(headrace("batch", "ingest", "--json", "--dry-run", str(given)).out)
    assert told["dry_run"] is True
    assert [(one["name"], one["rows"], one["outcome"]) for one in told["files"]] == [
        ("historical_data_2006Q1.txt", 4, "new"),
        ("orig_2005Q1.txt", 5, "new"),
        ("perf_2005Q1.txt", 8, "new"),
    ]
    assert told["passed_over"] == [f"{given / 'q.zip'} > read\x1bme.txt"]
    assert told["files"][1]["place"] == f"{given / 'q.zip'} > orig_2005Q1.txt"
    told = json.loads(headrace("batch", "ingest", "--json", str(given)).out)
    assert {one["outcome"] for one in told["files"]} == {"new"}


def test_what_was_taken_before_a_refusal_is_told_before_it(headrace: Headrace, given: Path) -> None:
    bad = given / "orig_2007Q1.txt"
    bad.write_bytes(line(27, {}) * 2)
    answer = headrace("batch", "ingest", str(given / "q.zip"), str(bad), str(given))
    assert answer.code == 1
    assert "perf_2005Q1.txt" in answer.out
    assert f"headrace: {bad}: line 1 has 27 fields, as 2 of 2 lines" in answer.err


def test_a_path_that_is_not_there_is_wrong_use(headrace: Headrace) -> None:
    answer = headrace("batch", "ingest", "nowhere.zip")
    assert (answer.code, "nowhere.zip" in answer.err) == (2, True)
