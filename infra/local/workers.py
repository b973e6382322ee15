"""The processes that work on the stack's streams: the stream job, the archive's delivery, the error desk."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from headrace.errors import LocalStackFailed
from headrace.ops.clock import Clock
from infra.local import environment, java, ports, processes
from infra.local.processes import Background
from infra.local.state import State

JOB, ARCHIVE, DESK = "stream", "archive", "error-desk"
NAMES = (JOB, ARCHIVE, DESK)
_READY_SECONDS = 180


class Worker(NamedTuple):
    """One of the processes: its name for a person, its program, whether that runs on Java, how nice it is."""

    title: str
    command: tuple[str, ...]
    needs_java: bool
    nice: int = 0


WORKERS: Mapping[str, Worker] = {
    JOB: Worker("stream job", (sys.executable, "-m", "stream_jobs"), needs_java=True),
    ARCHIVE: Worker("archive", (sys.executable, "-m", "infra.local.delivery"), needs_java=False),
    DESK: Worker("error desk", (sys.executable, "-m", "stream_jobs.error_desk"), needs_java=True, nice=10),
}


@dataclass(frozen=True)
class Workers:
    """Starts them and hears how they are; `commands` puts other programs in their place."""

    state: State
    environ: Mapping[str, str]
    clock: Clock
    say: Callable[[str], None]
    commands: Mapping[str, tuple[str, ...]]

    def start(self, name: str) -> Background:
        """One of them, in the background; it is ready some ten seconds later."""
        if (running := processes.find(self.state, name)) is not None:
            return running
        worker, port = WORKERS[name], ports.choose(0)
        environ = environment.for_child(self.environ, self.state.read_env())
        environ |= {"HEADRACE_HEALTH_PORT": str(port)}
        if worker.needs_java:
            environ |= {"JAVA_HOME": str(java.find(self.environ).home)}
        command = self.commands.get(name, worker.command)
        background = processes.start(self.state, name, command, environ, port=port)
        if worker.nice:  # nobody waits for it, and its start would slow down the one that all wait for
            os.setpriority(os.PRIO_PROCESS, background.pid, worker.nice)
        self.say(f"{worker.title}: starting")
        return background

    def wait(self, name: str) -> None:
        """Return once it says that it is healthy. Raises LocalStackFailed when it does not."""
        title, deadline = WORKERS[name].title, self.clock.monotonic() + _READY_SECONDS
        while not self.healthy(name):
            self.check(name)
            if self.clock.monotonic() > deadline:
                words = processes.last_words(self.state, name)
                raise LocalStackFailed(f"the {title} is not healthy after {_READY_SECONDS} s: {words}")
            self.clock.sleep(0.2)
        self.say(f"{title}: running")

    def check(self, name: str) -> None:
        """Raise LocalStackFailed when it has ended."""
        if processes.find(self.state, name) is None:
            words = processes.last_words(self.state, name, 15)
            raise LocalStackFailed(f"the {WORKERS[name].title} ended: {words}")

    def healthy(self, name: str) -> bool:
        """Whether it runs and calls itself healthy."""
        background = processes.find(self.state, name)
        return background is not None and _answers(background.port)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{ports.LOOPBACK}:{port}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
