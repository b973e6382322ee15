"""`python -m stream_jobs.error_desk.processor STREAM`: one shard, as KCL's daemon hands it over.

The daemon starts one such process per shard and speaks with it on stdin and stdout, in JSON lines. So nothing
else may be written to stdout; and since amazon_kclpy reports success whatever a processor raises, every
failure must end the process.
"""

import os
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

from amazon_kclpy import kcl
from amazon_kclpy.v3.processor import RecordProcessorBase

from headrace.errors import HaltError, SettingsError
from headrace.ops import logs
from headrace.ops.clock import Clock, SystemClock
from headrace.ops.logs import get_logger
from headrace.ops.settings import load
from headrace.warehouse.desk import Position
from stream_jobs.error_desk.merging import first_line
from stream_jobs.error_desk.rows import Delivered
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.error_desk.shard import Shard
from stream_jobs.patience import Stopped

_MICROSECONDS = 1000  # in a millisecond


class RecordProcessor(RecordProcessorBase):  # type: ignore[misc]  # amazon_kclpy ships no types
    """Takes KCL's calls to the shard; whatever goes wrong ends the process."""

    def __init__(self, open_shard: Callable[[str], Shard]) -> None:
        self._open = open_shard
        self._shard: Shard | None = None

    def initialize(self, initialize_input: Any) -> None:  # noqa: ANN401  amazon_kclpy ships no types
        """The first call."""
        with Ending():
            self._shard = self._open(initialize_input.shard_id)
            get_logger().info("shard taken", after=initialize_input.sequence_number)

    def process_records(self, process_records_input: Any) -> None:  # noqa: ANN401  as above
        """Some records, or none."""
        with Ending(self._shard):
            records = [_delivered(record) for record in process_records_input.records]
            behind = process_records_input.millis_behind_latest or 0
            self._opened().process(records, behind, process_records_input.checkpointer)

    def lease_lost(self, lease_lost_input: Any) -> None:  # noqa: ANN401, ARG002  as above
        """Another worker has the shard."""
        with Ending(self._shard):
            self._opened().lost()

    def shard_ended(self, shard_ended_input: Any) -> None:  # noqa: ANN401  as above
        """The shard is closed and delivered whole."""
        with Ending(self._shard):
            self._opened().ended(shard_ended_input.checkpointer)

    def shutdown_requested(self, shutdown_requested_input: Any) -> None:  # noqa: ANN401  as above
        """The daemon ends, or hands the shard to another worker."""
        with Ending(self._shard):
            self._opened().handed_over(shutdown_requested_input.checkpointer)

    def _opened(self) -> Shard:
        assert self._shard is not None, "KCL initializes first"
        return self._shard


class Ending:
    """A block whose failure ends the process with SystemExit, told in the log and in the shard's status.

    An error's own text may quote a record, so of one that nobody foresaw only its kind and place are told.
    """

    def __init__(self, shard: Shard | None = None) -> None:
        self._shard = shard

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, SystemExit):
            return
        if isinstance(error, Stopped):
            raise SystemExit("the daemon is gone") from None
        if isinstance(error, HaltError):
            why = f"{type(error).__name__}: {first_line(error)}"
        else:
            last = traceback.extract_tb(trace)[-1]
            why = f"{type(error).__name__} in {last.name}, {last.filename}:{last.lineno}"
        get_logger().error("shard fails", why=why)
        if self._shard is not None:
            self._shard.status.failed(why, for_good=isinstance(error, HaltError))
        raise SystemExit(1) from None


class Daemon:
    """The parent process: waiting ends when it is gone, for then nobody reads what this process says."""

    def __init__(self, clock: Clock) -> None:
        self._pid = os.getppid()
        self._clock = clock

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; true when the daemon is gone."""
        self._clock.sleep(seconds)
        return os.getppid() != self._pid


def _delivered(record: Any) -> Delivered:  # noqa: ANN401  as above
    position = Position.of(record.sequence_number, record.sub_sequence_number or 0)
    return Delivered(position, record.binary_data, record.timestamp_millis * _MICROSECONDS)


def private_stdout() -> TextIO:
    """The pipe to the daemon, for the protocol alone: whatever else is printed goes to stderr."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return pipe


def main() -> int:
    """Read the environment, and serve the daemon until it closes the pipe."""
    pipe = private_stdout()
    environ = dict(os.environ)  # noqa: TID251  the entry point reads it once
    try:
        settings = load(ErrorDeskSettings, environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    clock = SystemClock()
    daemon = Daemon(clock)

    def open_shard(name: str) -> Shard:
        logs.configure(process=f"error-desk {name}", level=settings.log_level, form=settings.log_format)
        return Shard(name, settings, sys.argv[1], clock, process=os.getpid(), waits=daemon)

    processor = RecordProcessor(open_shard)
    kcl.KCLProcess(processor, input_file=sys.stdin, output_file=pipe, error_file=sys.stderr).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
