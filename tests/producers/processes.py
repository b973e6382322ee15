"""`python -m producers` as a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(url: str, spool: Path) -> dict[str, str]:
    """What a producer needs to find the double."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "HEADRACE_SPOOL": str(spool),
    }


class Producers:
    """Starts producers on one spool; none outlives the test."""

    def __init__(self, url: str, spool: Path) -> None:
        self._environ = environment(url, spool)
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: object, **environ: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "producers", *map(str, arguments)],
            env=self._environ | environ,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill those that still run."""
        for process in self.started:
            process.kill()
            process.communicate()


def wait_for(is_so: Callable[[], object], seconds: float = 20.0, every: float = 0.02) -> None:
    """Look again and again, for so long at most; less often where looking is work."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(every)
