"""The AWS emulator, ministack, on one loopback port; its own environment, because it pins botocore."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from headrace.errors import LocalStackFailed
from headrace.ops.clock import Clock
from infra.local import ports, processes
from infra.local.processes import Background
from infra.local.state import State

NAME = "emulator"
PORT = 4566  # where localstack-client and most tools look
_PROGRAM = Path(__file__).resolve().parents[2] / ".venv-emulator/bin/ministack"
_READY_SECONDS = 60


def start(state: State, environ: Mapping[str, str], clock: Clock, *, preferred: int = PORT) -> Background:
    """Start the emulator unless it runs; returns once it answers.

    It takes another port when the preferred one is in use. Raises LocalStackFailed when it does not come up.
    """
    if (background := processes.find(state, NAME)) is not None:
        return background
    if not _PROGRAM.exists():
        raise LocalStackFailed("the AWS emulator is not installed: run `make setup`.")
    with ports.turn():
        port = ports.choose(preferred)
        settings = _settings(state, environ, port)
        background = processes.start(state, NAME, [str(_PROGRAM)], settings, port=port, folder=state.emulator)
        _wait(state, background, clock)
    return background


def stop(state: State, clock: Clock) -> bool:
    """Stop the emulator; on the way out it writes its streams and records to the state folder."""
    return processes.stop(state, NAME, clock)


def endpoint(background: Background) -> str:
    """The URL that AWS_ENDPOINT_URL takes."""
    return f"http://{ports.LOOPBACK}:{background.port}"


def _settings(state: State, environ: Mapping[str, str], port: int) -> dict[str, str]:
    scratch = state.emulator / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    inherited = {name: environ[name] for name in ("PATH", "HOME", "LANG") if name in environ}
    return inherited | {
        "BIND_HOST": ports.LOOPBACK,
        "GATEWAY_PORT": str(port),
        # Two listeners that ignore BIND_HOST and open on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state.emulator.resolve()),
        # Objects have a switch of their own; without it a delivery would trust an archive that is gone.
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str((state.emulator / "s3").resolve()),
        "TMPDIR": str(scratch.resolve()),
    }


def _wait(state: State, background: Background, clock: Clock) -> None:
    deadline = clock.monotonic() + _READY_SECONDS
    while not _answers(background.port):
        if not processes.running(background) or clock.monotonic() > deadline:
            words = processes.last_words(state, NAME)
            processes.stop(state, NAME, clock, patience=5)
            raise LocalStackFailed(f"the AWS emulator did not come up on port {background.port}: {words}")
        clock.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{ports.LOOPBACK}:{port}/_ministack/ready", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
