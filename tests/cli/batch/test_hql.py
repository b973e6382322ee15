import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from batch_jobs.hive import DATABASE
from infra.local import java
from tests.batch_jobs.conftest import batch_state, spark  # noqa: F401  fixtures
from tests.batch_jobs.marks import SPARK
from tests.cli.conftest import Headrace

HOLDER = """
import sys
from pathlib import Path
from batch_jobs.lock import metastore_lock
from batch_jobs.session import spark_session
from batch_jobs.settings import BatchSettings
settings = BatchSettings(state=sys.argv[1], spark_master="local[1]", spark_memory="512m")
with metastore_lock(Path(settings.metastore_folder), "headrace batch originations"):
    session = spark_session(settings, app="holder")
    session.sql("CREATE DATABASE headrace")
    session.sql("CREATE TABLE headrace.kept (n INT) STORED AS PARQUET")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_the_queries_are_listed_with_what_they_answer(headrace: Headrace) -> None:
    answer = headrace("batch", "hql", "--list")
    assert answer.code == 0
    assert "vintage_curves" in answer.out
    assert "what share had ever been 90 or more days late" in answer.out


def test_a_query_that_is_not_there_is_refused_before_spark_starts(headrace: Headrace) -> None:
    for arguments in (["no_such_query"], []):
        answer = headrace("batch", "hql", *arguments)
        assert answer.code == 2
        assert "--list" in answer.err


class TestOnSpark:
    pytestmark = SPARK

    @pytest.fixture(autouse=True)
    def _in_one_session(
        self,
        spark: SparkSession,  # noqa: F811  the fixture above
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[None]:
        monkeypatch.setattr("cli.batch.spark._shared", lambda: spark)
        yield
        spark.catalog.setCurrentDatabase("default")

    def test_a_query_of_ones_own_is_answered_in_each_format(self, headrace: Headrace, tmp_path: Path) -> None:
        mine = tmp_path / "mine.hql"
        mine.write_text("-- What is it?\nSELECT 1 AS n, CAST(2.50 AS DECIMAL(6,2)) AS d, NULL AS nothing;\n")
        assert json.loads(headrace("batch", "hql", str(mine), "--format", "json").out) == [
            {"n": 1, "d": 2.5, "nothing": None}
        ]
        assert headrace("batch", "hql", str(mine), "--format", "csv").out == "n,d,nothing\n1,2.50,\n"
        assert "(1 row)" in headrace("batch", "hql", str(mine)).out

    def test_without_tables_it_is_told_who_makes_them(self, headrace: Headrace) -> None:
        answer = headrace("batch", "hql", "credit_mix")
        assert answer.code == 1
        assert "headrace batch originations" in answer.err
        assert "at org.apache" not in answer.err

    def test_a_fault_of_the_query_is_told_without_a_stack(self, headrace: Headrace, tmp_path: Path) -> None:
        for text, told in (("SELEKT 1", "PARSE_SYNTAX_ERROR"), ("SELECT CAST('x' AS INT)", "CAST_INVALID")):
            (tmp_path / "bad.hql").write_text(text)
            answer = headrace("batch", "hql", str(tmp_path / "bad.hql"))
            assert answer.code == 1
            assert told in answer.err
            assert "at org.apache" not in answer.err


@pytest.mark.spark
@pytest.mark.crash
@pytest.mark.xdist_group("batch-spark")
@pytest.mark.timeout(900)  # two Sparks, one after the other
def test_a_metastore_is_one_commands_and_survives_its_kill(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    environ |= {"JAVA_HOME": str(java.find(os.environ).home), "PYTHONPATH": str(Path.cwd())}
    state, cwd = tmp_path / "a state", tmp_path / "cwd"
    cwd.mkdir()
    (tmp_path / "q.hql").write_text("SHOW TABLES")
    command = [sys.executable, "-m", "cli", "batch", "hql", str(tmp_path / "q.hql"), "--format", "csv"]

    def ask() -> "subprocess.CompletedProcess[str]":
        told = environ | {"HEADRACE_STATE": str(state), "HEADRACE_SPARK_MEMORY": "512m"}
        return subprocess.run(command, env=told, cwd=cwd, capture_output=True, text=True, check=False)

    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state)],
        env=environ,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"ready\n"
        busy = ask()
        holder.kill()
    after = ask()
    assert busy.returncode == 1
    assert f"headrace batch originations (process {holder.pid}" in busy.stderr
    assert after.returncode == 0, after.stderr
    assert f"{DATABASE},kept,false" in after.stdout
    assert list(cwd.iterdir()) == []
    assert (state / "metastore/derby.log").exists()
