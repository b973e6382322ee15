"""A loading process that is killed at a point of its transaction: `dying.py URL ROOT MANIFEST POINT`."""

import os
import signal
import sys

from batch_jobs.load_warehouse.loader import Loader
from batch_jobs.load_warehouse.staging import streamed
from batch_jobs.manifest import read_output
from batch_jobs.storage import Storage
from headrace.ops.clock import SystemClock
from headrace.warehouse.opening import open_session


def main(url: str, root: str, folder: str, point: str) -> None:
    """Load the partition, and die there."""

    def die(at: str) -> None:
        if at == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def die_within(_rows: int) -> None:
        die("within_copy")

    storage = Storage(root, {})
    stage = streamed(storage, die_within)
    Loader(open_session(url), storage, SystemClock(), stage, probe=die).load(read_output(storage, folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
