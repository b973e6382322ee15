"""headrace on one machine as a user has it: the real command line, in a state folder of its own."""

import json
import os
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any


class Laptop:
    """Runs `headrace` as a process."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def headrace(self, *arguments: str, code: int = 0, timeout: float = 300) -> str:
        """The standard output of one command; its exit code must be as expected."""
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def rows(self, query: str) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = json.loads(self.headrace("query", query, "--format", "json"))
        return answer

    def reconcile(self, *arguments: str, code: int) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.headrace("reconcile", "--json", *arguments, code=code))
        return report

    def aws(self) -> dict[str, str]:
        """What `.headrace/env` sets, read by a shell."""
        script = f"set -a; . {self.state}/env; env -0"
        listed = subprocess.run(["sh", "-c", script], env={}, capture_output=True, check=True).stdout.decode()
        return dict(entry.split("=", 1) for entry in listed.split("\0") if entry)

    def _environ(self) -> dict[str, str]:
        return os.environ | {"HEADRACE_STATE": str(self.state), "COLUMNS": "200"}


def moment(text: str) -> datetime:
    """A time as `headrace query` prints it, as naive UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


def whole(value: object) -> int:
    """A whole number, which JSON may carry as text or with a fraction of nothing."""
    number = Decimal(str(value))
    assert number == int(number)
    return int(number)
