"""The error desk as a process of its own, and its stream, on the emulator."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import psutil

from headrace.warehouse.desk import positions
from infra.local import streams
from tests.producers.processes import ROOT, wait_for


class RunningDesk:
    """Starts desks on one state folder; none outlives the test."""

    def __init__(self, endpoint: str, warehouse_url: str, state: Path, stream: str = "errors") -> None:
        self.stream = stream
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "HEADRACE_WAREHOUSE_URL": warehouse_url,
            "HEADRACE_STATE": str(state),
            "HEADRACE_ERROR_STREAM": stream,
            "HEADRACE_DESK_APPLICATION": f"desk-of-{stream}",
            "HEADRACE_LOG_FORMAT": "json",
            "HEADRACE_DESK_FAILOVER_SECONDS": "1",
        }
        self.folder = state / "error_desk"
        self._reports = state / "reports.ndjson"
        self.kinesis = streams.client(self.environ)
        self._said: list[str] = []
        self._started: list[tuple[subprocess.Popen[bytes], threading.Thread]] = []

    def start(self, **environ: str) -> "subprocess.Popen[bytes]":
        self._reports.parent.mkdir(parents=True, exist_ok=True)
        with self._reports.open("ab") as reports:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream_jobs.error_desk"],
                env=self.environ | environ,
                cwd=ROOT,
                stdout=reports,
                stderr=subprocess.PIPE,
            )
        listener = threading.Thread(target=self._listen, args=(process,), daemon=True)
        listener.start()
        self._started.append((process, listener))
        return process

    def end(self) -> None:
        for process, listener in self._started:
            process.kill()
            process.wait()
            listener.join(20)

    @property
    def said(self) -> str:
        """All that desks wrote to stderr."""
        return "".join(self._said)

    def health(self) -> dict[str, Any]:
        """What the last desk answers at /healthz; empty before it listens."""
        found = re.findall(r"http://127\.0\.0\.1:\d+", self.said)
        if not found:
            return {}
        try:
            with urllib.request.urlopen(found[-1] + "/healthz", timeout=5) as answer:
                health: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            health = json.load(error)
        except urllib.error.URLError:
            return {}
        return health

    def reported(self, name: str) -> list[float]:
        """What the desks wrote of a metric for CloudWatch, the oldest first."""
        reports = map(json.loads, self._reports.read_text().splitlines())
        return [report[name] for report in reports if name in report]

    def metric(self, name: str) -> float:
        base = re.findall(r"http://127\.0\.0\.1:\d+", self.said)[-1]
        with urllib.request.urlopen(base + "/metrics", timeout=5) as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
        assert found
        return float(found[1])

    def put(self, records: Sequence[bytes]) -> None:
        """One Kinesis record each, spread over the shards, 500 or 4 MB in a request."""
        batch: list[Any] = []
        size = 0
        for number, data in enumerate(records):
            batch.append({"Data": data, "PartitionKey": f"key-{number}"})
            size += len(data)
            if len(batch) == 500 or size > 4_000_000 or number == len(records) - 1:
                answer = self.kinesis.put_records(StreamName=self.stream, Records=batch)
                assert answer["FailedRecordCount"] == 0
                batch, size = [], 0

    def positions(self) -> dict[str, str]:
        """How far each shard is merged."""
        identity = streams.identity(self.kinesis, self.stream)
        return positions(self.environ["HEADRACE_WAREHOUSE_URL"], identity)

    def checkpoints(self) -> dict[str, str]:
        """How far KCL thinks it is, from its lease table."""
        client: Any = boto3.client(
            "dynamodb", endpoint_url=self.environ["AWS_ENDPOINT_URL"], region_name="us-east-1"
        )
        leases = client.scan(TableName=self.environ["HEADRACE_DESK_APPLICATION"])["Items"]
        client.close()
        return {lease["leaseKey"]["S"]: lease["checkpoint"]["S"] for lease in leases}

    def caught_up(self) -> bool:
        return streams.read_to_the_end(self.kinesis, self.stream, self.positions())

    def wait_until_caught_up(self, seconds: float = 90) -> None:
        wait_for(self.caught_up, seconds, every=0.25)

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stderr
        with process.stderr as lines:
            for line in lines:
                self._said.append(line.decode(errors="replace"))


def daemon_of(desk: "subprocess.Popen[bytes]") -> psutil.Process | None:
    """KCL's daemon, once it runs; the desk has asked Java for its version before."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(desk.pid).children():
            if any("MultiLangDaemon" in part for part in child.cmdline()) and child.name() == "java":
                return child
    return None


def shards_of(desk: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """The shards' processes."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if daemon := daemon_of(desk):
            return daemon.children()
    return []
