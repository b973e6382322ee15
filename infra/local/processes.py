"""Background processes that outlive the command that starts them, each with a pid file and a log.

A pid file holds the pid, the process's start time and its port, a line each. The start time tells our process
from a stranger that got the same pid later, after a restart of the machine for instance.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from headrace.errors import LocalStackFailed
from headrace.ops.clock import Clock
from infra.local.state import State

_POLL_SECONDS = 0.05
_children: dict[int, subprocess.Popen[bytes]] = {}  # a dead child looks alive until its parent asks for it


class Background(NamedTuple):
    """A running background process."""

    name: str
    pid: int
    started: str
    port: int


def start(
    state: State,
    name: str,
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    port: int = 0,
    folder: Path | None = None,
) -> Background:
    """Start a process in a session of its own, so that a Ctrl-C meant for its starter does not reach it."""
    state.make()
    with (state.log / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[process.pid] = process
    return _write(state, Background(name, process.pid, _start_time(process.pid) or "", port))


@contextlib.contextmanager
def registered(state: State, name: str) -> Iterator[None]:
    """Let this very process be found, and stopped, under a name."""
    state.make()
    _write(state, Background(name, os.getpid(), _start_time(os.getpid()) or "", 0))
    try:
        yield
    finally:
        (state.run / f"{name}.pid").unlink(missing_ok=True)


def find(state: State, name: str) -> Background | None:
    """The process of that name if it is running; a pid file left by a dead one counts for nothing."""
    background = _read(state, name)
    return background if background is not None and running(background) else None


def names(state: State) -> list[str]:
    """The names of all processes that have a pid file."""
    return sorted(path.stem for path in state.run.glob("*.pid"))


def running(background: Background) -> bool:
    """Whether this very process still runs."""
    if (child := _children.get(background.pid)) is not None:
        child.poll()
    return _start_time(background.pid) == background.started


def exit_code(state: State, name: str) -> int | None:
    """How the process ended that this very process started under that name; None when it cannot be known."""
    background = _read(state, name)
    child = _children.get(background.pid) if background else None
    return child.poll() if child is not None else None


def stop(
    state: State,
    name: str,
    clock: Clock,
    *,
    request: signal.Signals = signal.SIGTERM,
    patience: float = 30,
) -> bool:
    """Ask the process to stop, and kill it when it has not within `patience` seconds.

    True when it stopped by itself or was not running.
    """
    background = find(state, name)
    clean = True
    if background is not None:
        _signal(background, request)
        clean = _gone(background, clock, patience)
        if not clean:
            _signal(background, signal.SIGKILL)
            if not _gone(background, clock, patience):
                raise LocalStackFailed(f"{name} (pid {background.pid}) does not end, not even when killed.")
    (state.run / f"{name}.pid").unlink(missing_ok=True)
    return clean


def last_words(state: State, name: str, lines: int = 5) -> str:
    """The end of a process's log, for an error message that says where to look."""
    path = state.log / f"{name}.log"
    if not path.exists():
        return f"it left no log in {path}"
    tail = path.read_text(errors="replace").rstrip().splitlines()[-lines:]
    return f"the end of {path}:\n  " + "\n  ".join(tail)


def _write(state: State, background: Background) -> Background:
    new = state.run / f"{background.name}.pid.new"
    new.write_text(f"{background.pid}\n{background.started}\n{background.port}\n")
    new.replace(state.run / f"{background.name}.pid")
    return background


def _read(state: State, name: str) -> Background | None:
    try:
        pid, started, port = (state.run / f"{name}.pid").read_text().splitlines()
        return Background(name, int(pid), started, int(port))
    except (FileNotFoundError, ValueError):
        return None


def _signal(background: Background, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(background.pid, number)


def _gone(background: Background, clock: Clock, patience: float) -> bool:
    deadline = clock.monotonic() + patience
    while running(background):
        if clock.monotonic() > deadline:
            return False
        clock.sleep(_POLL_SECONDS)
    return True


def _start_time(pid: int) -> str | None:
    """When the process began, in whatever form the system tells it; None when it is gone or a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The name, in parentheses, may hold anything; the fields after it are proc(5)'s 3 to 52.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    ask = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    told = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
    return None if not told or told.startswith("Z") else told.partition(" ")[2].strip()
