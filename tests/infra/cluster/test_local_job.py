"""The stream job itself, run and replaced on the laptop as a deployment does it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg
import pytest

from headrace.ops.clock import SystemClock
from infra.cluster.job import job_of
from infra.cluster.local_runner import LocalRunner
from infra.cluster.runner import Phase, end, replace
from infra.local.state import State
from infra.stacks.stage_file import Cluster
from tests.doubles.kinesis import KinesisDouble
from tests.infra.cluster.stages import facts
from tests.stream_jobs.job.conftest import kinesis, server, url  # noqa: F401  fixtures
from tests.stream_jobs.job.harness import PATIENCE, access, counted, send

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.xdist_group("job-archive")]


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)  # looking takes a connection


def test_a_new_query_version_goes_on_where_the_old_one_was_with_a_checkpoint_of_its_own(
    kinesis: KinesisDouble,  # noqa: F811  the fixture
    url: str,  # noqa: F811  the fixture
    tmp_path: Path,
) -> None:
    state, clock = State(tmp_path / ".headrace"), SystemClock()
    state.make()
    state.write_env({"AWS_ENDPOINT_URL": kinesis.url, "HEADRACE_STATE": str(state.root)})
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    settings = {
        "HEADRACE_WAREHOUSE_URL": url,
        "HEADRACE_SPARK_MASTER": "local[1]",
        "HEADRACE_TRIGGER_MS": "100",
    }
    told = msgspec.structs.replace(
        facts(), checkpoint=str(tmp_path / "checkpoint"), settings=settings | credentials
    )
    runner, said = LocalRunner(state, dict(os.environ), clock), list[str]()
    send(kinesis, [access(number) for number in range(1, 51)])
    try:
        old = replace(runner, job_of(told, Cluster(), 1), clock, said.append)
        wait_for(lambda: counted(url) == 50)
        new = replace(runner, job_of(told, Cluster(), 2), clock, said.append)
        send(kinesis, [access(number) for number in range(51, 101)])
        wait_for(lambda: counted(url) == 100)
    finally:
        end(runner, clock, said.append)
    assert (old.phase, new.phase) == (Phase.RUNNING, Phase.RUNNING)
    assert runner.look(new).phase is Phase.ENDED
    assert {path.name for path in (tmp_path / "checkpoint").iterdir()} == {"v1", "v2"}
    with psycopg.connect(url) as connection:
        assert connection.execute("select sum(dropped) from batches").fetchone() == (0,)
