import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.warehouse.probe import AFTER_COMMIT, AFTER_STAGE
from tests.doubles.kinesis import KinesisDouble
from tests.stream_jobs.job.harness import PATIENCE, access, counted, send, snapshot

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.crash]

Start = Callable[..., subprocess.Popen[str]]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def start(kinesis: KinesisDouble, url: str, tmp_path: Path, port: int) -> Iterator[Start]:
    """Starts a process of the stream job; what is given replaces variables of its environment."""
    processes: list[subprocess.Popen[str]] = []
    environ = os.environ | {
        "AWS_ENDPOINT_URL": kinesis.url,
        "HEADRACE_WAREHOUSE_URL": url,
        "HEADRACE_STATE": str(tmp_path / "state"),
        "HEADRACE_HEALTH_PORT": str(port),
        "HEADRACE_SPARK_MASTER": "local[1]",
        "HEADRACE_SPARK_MEMORY": "1g",
        "HEADRACE_TRIGGER_MS": "100",
        "HEADRACE_BATCH_RECORDS": "3",
    }

    def begin(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        with (tmp_path / "stdout").open("ab") as printed:
            process = subprocess.Popen(
                [sys.executable, "-m", *(arguments or ("stream_jobs",))],
                env=environ | variables,
                cwd=ROOT,
                stdout=printed,
                stderr=subprocess.PIPE,
                text=True,
            )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)  # looking takes a connection


def health(port: int) -> tuple[int, str]:
    """The status of /healthz, and what the job says troubles it; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read()
    except OSError:
        return 0, ""
    return status, json.loads(body)["detail"]["trouble"]


def test_kill_9_in_a_commit_and_a_restart_change_no_number(
    kinesis: KinesisDouble, start: Start, url: str, tmp_path: Path
) -> None:
    send(kinesis, [access(number) for number in range(1, 101)], per_aggregate=5)
    for point, visit in ((AFTER_STAGE, 1), (AFTER_COMMIT, 2)):
        dying = start("tests.stream_jobs.job.dying", point, str(visit))
        assert dying.wait(PATIENCE) == -signal.SIGKILL
    last = start(HEADRACE_EMF_SECONDS="0.2", HEADRACE_PROOF_SECONDS="0.2")
    send(kinesis, [access(101)])
    wait_for(lambda: counted(url) == 101)
    told = (b'"BreakerOpen":0', b'"MissingRecords":0', b'"WarehouseLagSeconds":')
    wait_for(lambda: all(metric in (tmp_path / "stdout").read_bytes() for metric in told))
    last.send_signal(signal.SIGTERM)
    assert last.wait(PATIENCE) == 0
    numbers = snapshot(url)
    assert numbers["ledger_types"] == [("web_access.v1", 101)]
    for name in ("web_traffic_1m", "web_paths_5m", "web_visitors_15m"):
        assert sum(row[-1] for row in numbers[name]) == 101


def test_a_job_without_a_warehouse_waits_says_so_and_stops_when_asked(start: Start, port: int) -> None:
    process = start(HEADRACE_WAREHOUSE_URL="postgresql://nobody@127.0.0.1:9/none")
    wait_for(lambda: health(port)[0] == 503 and "warehouse" in health(port)[1])
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
