import json
from pathlib import Path

import msgspec
import pytest

from batch_jobs.synthetic.truth import Truth
from infra.local.state import State
from tests.cli.conftest import Headrace

SMALL = ("--loans", "30", "--from", "2006Q1", "--to", "2006Q2", "--jobs", "1")


def test_a_book_is_written_and_told(headrace: Headrace, tmp_path: Path) -> None:
    answer = headrace("batch", "synthesize", *SMALL, "--out", str(tmp_path / "book"), "--dirty", "0.05")
    assert (answer.code, answer.err) == (0, "")
    told = json.loads((tmp_path / "book/truth.json").read_text())
    lines = [sum(file["lines"] for file in told["files"][place::2]) for place in (0, 1)]
    for text in ("origination", "performance", *(f" {count:,} " for count in lines), f"{told['bad']} of "):
        assert text in answer.out
    assert lines[0] == sum(len(file.read_text().splitlines()) for file in tmp_path.glob("book/orig_*.txt"))


def test_the_truth_as_json_is_that_of_the_folder_in_the_state(headrace: Headrace, state: State) -> None:
    answer = headrace("batch", "synthesize", *SMALL, "--layout", "legacy", "--zip", "--json")
    assert answer.code == 0
    truth = msgspec.json.decode(answer.out, type=Truth)
    assert truth.archives == ("historical_data_2006Q1.zip", "historical_data_2006Q2.zip")
    assert msgspec.json.decode((state.root / "synthetic/truth.json").read_bytes(), type=Truth) == truth


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--from", "2009", "--to", "2008"), "before they begin"),
        (("--from", "20X5"), "'20X5' is no vintage"),
        (("--loans", "0"), "0 is not in the range"),
        (("--dirty", "1"), "1.0 is not in the range"),
        (("--layout", "r29"), "'r29' is not one of"),
    ],
)
def test_what_makes_no_sense_is_wrong_use(headrace: Headrace, wrong: tuple[str, ...], words: str) -> None:
    answer = headrace("batch", "synthesize", *wrong)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
