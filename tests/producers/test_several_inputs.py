"""One process with a settings file: inputs side by side, changed and mended while it runs."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from headrace.kinesis.client import KinesisClient
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from producers import daemon
from producers.configuration import Configuration, of_file
from producers.progress import Progress
from tests.doubles.kinesis import KinesisDouble
from tests.producers.received import access_lines, receive


class Running:
    """A producer of a settings file, in a thread of this process."""

    def __init__(self, client: KinesisClient, folder: Path) -> None:
        self.config = folder / "producers.toml"
        self.told: list[Progress] = []
        self.failure: BaseException | None = None
        self._client = client
        self._folder = folder
        self._hangup = threading.Event()
        self._shutdown = Shutdown()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def write(self, *inputs: str) -> None:
        head = f'name = "web-7"\nspool = "{self._folder}/spool"\nhealth_port = {self.port}\n'
        self.config.write_text("\n".join((head, *inputs)))

    def start(self) -> None:
        self._thread.start()

    def reload(self) -> None:
        self._hangup.set()

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Ask whenever the producer tells how far it is."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.told) and is_so(), timeout=60), self.told

    def stop(self) -> int:
        self._shutdown.request("the test")
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure
        return self.code

    def ask(self, what: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}/{what}", timeout=10)

    def _run(self) -> None:
        try:
            self.code = daemon.run(
                self._read(),
                SystemClock(),
                self._shutdown,
                tell=self._tell,
                client=self._client,
                reread=self._reread,
            )
        except BaseException as error:  # noqa: BLE001  raised by `stop`
            self.failure = error

    def _read(self) -> Configuration:
        return of_file(self.config, {}, {})

    def _reread(self) -> Configuration | None:
        if not self._hangup.is_set():
            return None
        self._hangup.clear()
        return self._read()

    def _tell(self, progress: Progress) -> None:
        with self._changed:
            self.told.append(progress)
            self._changed.notify_all()


@pytest.fixture
def running(client: KinesisClient, tmp_path: Path) -> Iterator[Running]:
    it = Running(client, tmp_path)
    yield it
    it._shutdown.request("the test has ended")
    it._thread.join(60)


def tail(name: str, path: Path, more: str = "") -> str:
    return f'[inputs.{name}]\nsource = "file"\npaths = ["{path}"]\nfollow = true\n{more}\n'


def make_log(path: Path, count: int, first: int = 1) -> Path:
    with path.open("ab") as log:
        log.write(b"\n".join(access_lines(count, first)) + b"\n")
    return path


def test_inputs_side_by_side_each_have_a_source_and_a_spool_of_their_own(
    running: Running, kinesis: KinesisDouble, tmp_path: Path
) -> None:
    a, b = make_log(tmp_path / "a.log", 300), make_log(tmp_path / "b.log", 500)
    running.write(tail("a", a), tail("b", b))
    running.start()
    running.wait_for(lambda: running.told[-1].acknowledged == 800)
    assert running.ask("healthz").json()["detail"]["inputs"]["b"]["acknowledged"] == 500
    assert running.stop() == 0
    received = receive(kinesis)
    assert sorted(len(received.numbers(source)) for source in received.statuses) == [300, 500]
    assert {path.name for path in (tmp_path / "spool").iterdir()} == {"a", "b"}


def test_an_input_that_fails_leaves_the_others_alone_and_makes_healthz_red(
    running: Running, kinesis: KinesisDouble, tmp_path: Path
) -> None:
    a, b = make_log(tmp_path / "a.log", 300), make_log(tmp_path / "b.log", 500)
    running.write(tail("a", a, 'stream = "absent"'), tail("b", b))
    running.start()
    running.wait_for(lambda: running.told[-1].state == "failed" and running.told[-1].acknowledged == 500)
    answer = running.ask("healthz")
    assert (answer.status_code, answer.json()["detail"]["dead"]) == (503, ["a"])
    make_log(b, 10, first=501)
    running.wait_for(lambda: running.told[-1].acknowledged == 510)
    running.write(tail("a", a), tail("b", b))  # mended, and taken at once
    running.reload()
    running.wait_for(lambda: running.told[-1].acknowledged == 810)
    assert running.ask("healthz").status_code == 200
    assert running.stop() == 0
    assert len(receive(kinesis).events) == 810


def test_settings_read_again_add_change_and_remove_inputs_and_no_record_is_lost_or_doubled(
    running: Running, kinesis: KinesisDouble, tmp_path: Path
) -> None:
    kinesis.create_stream("others", shards=2)
    a, b, c = (make_log(tmp_path / f"{name}.log", 100) for name in "abc")
    running.write(tail("a", a), tail("b", b))
    running.start()
    running.wait_for(lambda: running.told[-1].acknowledged == 200)
    running.write(tail("a", a, 'stream = "others"'), tail("c", c))
    running.reload()
    running.wait_for(lambda: set(running.ask("healthz").json()["detail"]["inputs"]) == {"a", "c"})
    make_log(a, 50, first=101)
    make_log(b, 50, first=101)  # nobody reads it any more
    running.wait_for(lambda: len(receive(kinesis, "others").events) == 50)
    running.wait_for(lambda: running.told[-1].waiting == 0 and running.told[-1].acknowledged >= 150)
    assert running.stop() == 0
    received = receive(kinesis)
    assert len(received.events) == 300
    assert set(received.copies.values()) == {1}


def test_wrong_settings_are_not_taken_and_the_old_ones_stay(
    running: Running, kinesis: KinesisDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = make_log(tmp_path / "a.log", 100)
    running.write(tail("a", a))
    running.start()
    running.wait_for(lambda: running.told[-1].acknowledged == 100)
    running.write(tail("a", a, "folow = 1"))
    running.reload()
    make_log(a, 100, first=101)
    running.wait_for(lambda: running.told[-1].acknowledged == 200)
    assert running.stop() == 0
    assert "folow" in "".join(capsys.readouterr())
    assert len(receive(kinesis).events) == 200


def test_an_input_that_cannot_begin_is_tried_again_while_the_others_work(
    running: Running, kinesis: KinesisDouble, tmp_path: Path
) -> None:
    a, b = make_log(tmp_path / "a.log", 300), make_log(tmp_path / "b.log", 500)
    spool = tmp_path / "spool" / "a"
    spool.parent.mkdir()
    spool.write_text("a file, no folder")
    running.write(tail("a", a), tail("b", b))
    running.start()
    running.wait_for(lambda: running.told[-1].state == "failed" and running.told[-1].acknowledged == 500)
    assert running.ask("healthz").json()["detail"]["dead"] == ["a"]
    spool.unlink()
    running.wait_for(lambda: running.told[-1].acknowledged == 800)
    assert running.stop() == 0
    assert len(receive(kinesis).events) == 800
