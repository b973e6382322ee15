import signal
import subprocess
import sys

from headrace.ops.shutdown import Shutdown

WAITER = """
from headrace.ops.shutdown import Shutdown
shutdown = Shutdown.install()
print("ready", flush=True)
shutdown.wait(60)
print(shutdown.reason, flush=True)
{then}
"""


def start(then: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITER.format(then=then)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_the_first_signal_asks_and_names_itself() -> None:
    with start("") as process:
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == "SIGTERM\n"
    assert process.returncode == 0


def test_the_second_signal_ends_at_once() -> None:
    with start("import threading; threading.Event().wait(60)") as process:
        assert process.stdout
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "SIGINT\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 128 + signal.SIGINT


def test_the_first_reason_stays() -> None:
    shutdown = Shutdown()
    assert not shutdown.wait(0)
    shutdown.request("drained")
    shutdown.request("again")
    assert shutdown.requested()
    assert shutdown.reason == "drained"
