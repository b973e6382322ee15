"""Keeps KCL's daemon running, until it is asked to stop."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from headrace.errors import HaltError
from headrace.ops.clock import Clock
from headrace.ops.emf import EmfReporter
from headrace.ops.health import HealthServer
from headrace.ops.logs import get_logger
from headrace.ops.shutdown import Shutdown
from headrace.schemas.streams import stream_identity
from stream_jobs.error_desk import daemon
from stream_jobs.error_desk.monitor import DeskMonitor
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.error_desk.status import forget_all
from stream_jobs.java import find_java
from stream_jobs.patience import Stopped, patiently
from stream_jobs.source.connection import StreamConnection

_GOOD, _FAILED = 0, 1
_POLL = 0.25
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_LONG_LIFE = 60.0  # a daemon that ran for so long has not failed from the start
_END_SECONDS = daemon.SHUTDOWN_GRACE_SECONDS + 10


def run(settings: ErrorDeskSettings, environ: Mapping[str, str], *, clock: Clock, shutdown: Shutdown) -> int:
    """Run until a stop is requested (0), or a setting proves wrong at the start (1).

    Args:
        settings: validated.
        environ: for Java, and what its processes inherit.
        clock: the time.
        shutdown: ends the desk when requested.
    """
    logger = get_logger()
    monitor = DeskMonitor(clock, settings.folder, fleet=settings.fleet)
    reporter = _reporter(settings, clock)
    try:
        with HealthServer(monitor.health, port=settings.health_port) as server:
            logger.info("error desk starts", stream=settings.stream, health=f"http://127.0.0.1:{server.port}")
            Launcher(
                settings, environ, clock=clock, shutdown=shutdown, monitor=monitor, reporter=reporter
            ).keep_running()
    except Stopped:
        pass
    except HaltError as error:
        logger.error("error desk ends", error=type(error).__name__, why=str(error))  # noqa: TRY400  told whole
        return _FAILED
    finally:
        reporter.report()
    logger.info("error desk stopped", reason=shutdown.reason)
    return _GOOD


def _reporter(settings: ErrorDeskSettings, clock: Clock) -> EmfReporter:
    return EmfReporter(
        clock,
        sys.stdout,
        seconds=settings.emf_seconds,
        namespace=settings.emf_namespace,
        dimensions={"Stream": settings.stream},
    )


class Launcher:
    """Starts the daemon again whenever it ends: it does when one of its children fails."""

    def __init__(
        self,
        settings: ErrorDeskSettings,
        environ: Mapping[str, str],
        *,
        clock: Clock,
        shutdown: Shutdown,
        monitor: DeskMonitor,
        reporter: EmfReporter,
    ) -> None:
        """Raises SettingsError when Java, KCL, the region or the credentials are missing."""
        self._settings = settings
        self._environ = dict(environ)
        self._clock = clock
        self._shutdown = shutdown
        self._monitor = monitor
        self._reporter = reporter
        self._command = daemon.command(settings, find_java(environ), daemon.find_jars())
        self._connection = StreamConnection.open(settings.stream, clock)

    def keep_running(self) -> None:
        """Until a stop is requested. Raises Stopped, and HaltError when there is no such stream."""
        pause = _FIRST_PAUSE
        while not self._shutdown.requested():
            self._write_files()
            started = self._clock.monotonic()
            code = self._run_daemon()
            if self._shutdown.requested():
                return
            if self._clock.monotonic() - started >= _LONG_LIFE:
                pause = _FIRST_PAUSE
            halted = [status.trouble for status in self._monitor.gather() if status.halted]
            pause = _LONGEST_PAUSE if halted else pause
            self._explain(code, halted, pause)
            self._measure()
            self._shutdown.wait(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    def _write_files(self) -> None:
        """Anew for each start: the stream may have been made anew as well."""
        self._monitor.phase("connecting")
        stream = patiently(self._connection.describe, self._shutdown, self._monitor)
        identity = stream_identity(stream.name, stream.created)
        at = daemon.endpoints(self._environ)
        daemon.write_files(self._settings, identity, self._connection.endpoint.region, at)
        get_logger().info("reading", stream=identity, log=str(self._settings.folder / daemon.LOG))

    def _run_daemon(self) -> int:
        """Run the daemon to its end, or to ours."""
        forget_all(self._settings.folder)
        process = subprocess.Popen(
            self._command,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # its log goes to a file, its children's to stderr
            start_new_session=True,  # a Ctrl-C is for the launcher alone
        )
        self._monitor.trouble("")
        self._monitor.phase("running")
        while process.poll() is None:
            self._measure()
            if self._shutdown.wait(_POLL):
                _end(process)
        return process.returncode

    def _measure(self) -> None:
        self._monitor.gather()
        self._reporter.step()

    def _explain(self, code: int, halted: list[str], pause: float) -> None:
        why = "; ".join(halted) or f"KCL's daemon ended with {code}"
        self._monitor.phase("waiting")
        self._monitor.trouble(why)
        self._monitor.restarted()
        get_logger().error("daemon ended", why=why, log=str(self._log), seconds=pause)

    @property
    def _log(self) -> Path:
        return self._settings.folder / daemon.LOG


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the daemon to hand its shards back; kill it when it does not end."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        get_logger().warning("daemon killed", why=f"it did not end within {_END_SECONDS} s")
        process.kill()
        process.wait()
