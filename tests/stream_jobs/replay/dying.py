"""`python -m tests.stream_jobs.replay.dying URL ENDPOINT POINT VISIT`: a way back that kills itself."""

import os
import signal
import sys
from datetime import timedelta

from headrace.kinesis.client import connect
from headrace.ops.shutdown import Shutdown
from headrace.warehouse.replays import Replays, Wanted
from stream_jobs.replay.candidates import Origin
from stream_jobs.replay.settings import ReplaySettings
from stream_jobs.replay.way_back import WayBack
from tests.doubles.clock import START, ManualClock
from tests.stream_jobs.replay.mill import heal


def main(url: str, endpoint: str, point: str, visit: int) -> None:
    visits: list[str] = []

    def probe(at: str) -> None:
        visits.append(at)
        if visits.count(point) == visit:
            os.kill(os.getpid(), signal.SIGKILL)

    clock = ManualClock(START + timedelta(hours=1))
    kinesis = connect(clock, endpoint_url=endpoint)
    put_records = kinesis.put_records

    def put(*arguments: object) -> object:
        results = put_records(*arguments)  # type: ignore[arg-type]
        probe("after_put")
        return results

    kinesis.put_records = put  # type: ignore[method-assign,assignment]
    replays = Replays(url, clock, probe=probe)
    run = WayBack(ReplaySettings(), replays, kinesis, None, clock, stop=Shutdown(), mend=heal)
    run.run([Origin.WAREHOUSE], Wanted())
    sys.stdout.write(f"{run.summary.put}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
