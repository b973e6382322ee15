"""`headrace batch performance` and `originations` as a person calls them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

from batch_jobs.ingest.census import Census
from batch_jobs.manifest import Input, write_input
from batch_jobs.storage import Storage
from infra.local.state import State
from tests.batch_jobs.conftest import batch_state, spark  # noqa: F401  fixtures
from tests.batch_jobs.conversion.loan_inputs import LINES, taken, with_cells
from tests.batch_jobs.marks import SPARK
from tests.cli.conftest import Headrace

PROGRAM = Path(sys.executable).parent / "headrace"
LOANS, PERIODS = 4_000, 40


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 280
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def given(root: Path, count: int = LOANS) -> Input:
    """A file of eight splits that was taken, with a bad line at its end."""
    line = with_cells(LINES["performance", "r47"], {1: "F05Q1{loan:07d}", 2: "{month}", 3: "{loan}.25"})
    months = [f"{2007 + number // 12}{number % 12 + 1:02d}" for number in range(PERIODS)]
    loans = ["\n".join(line.format(loan=loan, month=month) for month in months) for loan in range(count)]
    text = ("\n".join(loans) + "\nbad\n").encode()
    census = Census(split=len(text) // 8)
    for some in range(0, count, 50):
        census.add(("\n".join(loans[some : some + 50]) + "\n").encode())
    census.add(b"bad\n")
    path = root.parent / "perf_2005Q1.txt"
    entry = taken(text, "performance", "r47", path=path, splits=tuple(census.splits))
    write_input(Storage(str(root), {}), entry)
    return entry


@pytest.mark.parametrize("arguments", [["originations"], ["performance", "--vintage", "2005Q1"]])
def test_it_says_what_to_do_when_no_file_was_taken(headrace: Headrace, arguments: list[str]) -> None:
    answer = headrace("batch", *arguments)
    assert answer.code == 1
    assert "was taken: `headrace batch ingest` takes files; of the kind there are none" in answer.err


@SPARK[0]
@SPARK[1]
@pytest.mark.crash
@pytest.mark.timeout(900)  # Java starts twice
def test_killed_in_the_middle_and_run_again_it_has_every_row_once(tmp_path: Path) -> None:
    root = tmp_path / "state" / "batch"
    entry = given(root)
    command = [str(PROGRAM), "batch", "performance"]
    environ = {
        **os.environ,
        "HEADRACE_STATE": str(tmp_path / "state"),
        "HEADRACE_SPARK_MASTER": "local[1]",
    }
    folder = (
        root / "tables/loan_performance/vintage_year=2005/vintage_quarter=1" / f"input={entry.sha256[:16]}"
    )
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: any(folder.glob("part-*.parquet")))
        finally:
            process.kill()
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert not (folder / "_manifest.json").exists()
    (folder / "part-00099.parquet").write_bytes(b"of another run")
    again = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    shown = next(line.split() for line in again.stdout.splitlines() if line.split()[:1] == ["2005Q1"])
    assert shown[:6] == ["2005Q1", "160,001", "160,000", "1", "field_count", "8"]
    assert "2005Q1: 160,000 of 160,001 rows in " in again.stderr
    rows = (
        duckdb.connect()
        .execute(
            "SELECT count(*), count(DISTINCT (loan_identifier, period)), sum(file_line), "
            f"sum(current_actual_upb) FROM '{folder}/*.parquet'"
        )
        .fetchone()
    )
    count = LOANS * PERIODS
    amount = PERIODS * sum(range(LOANS)) + count // 4
    assert rows == (count, count, count * (count + 1) // 2, amount)


class TestOnSpark:
    pytestmark = SPARK

    def test_a_file_that_is_converted_already_is_told_and_stays(
        self,
        headrace: Headrace,
        state: State,
        spark: SparkSession,  # noqa: F811  the fixture above
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("cli.batch.spark._shared", lambda: spark)
        given(state.root / "batch", 50)
        answers = [headrace("batch", "performance", "--json") for _ in range(2)]
        told = [json.loads(answer.out)[0] for answer in answers]
        assert [(it["rows"], it["rejected"], it["is_new"]) for it in told] == [
            (50 * PERIODS, {"field_count": 1}, is_new) for is_new in (True, False)
        ]
        assert "2005Q1: this file is converted already" in answers[1].err
