"""`python -m tests.stream_jobs.job.dying POINT VISIT`: the stream job, killed at a point of a commit."""

import os
import signal
import sys

from headrace.ops import logs
from headrace.ops.clock import SystemClock
from headrace.ops.settings import load
from headrace.ops.shutdown import Shutdown
from stream_jobs.main import run
from stream_jobs.settings import StreamJobSettings


def main(point: str, visit: int) -> int:
    visits: list[str] = []

    def probe(at: str) -> None:
        visits.append(at)
        if at == point and visits.count(point) == visit:
            os.kill(os.getpid(), signal.SIGKILL)

    environ = dict(os.environ)
    settings = load(StreamJobSettings, environ)
    logs.configure(process="stream-job")
    return run(settings, environ, clock=SystemClock(), shutdown=Shutdown.install(), probe=probe)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
