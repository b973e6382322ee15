"""Spools whose input is gone from the settings: told at start, after a reload, and by --check."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.kinesis.client import KinesisClient
from producers.check import plan
from producers.configuration import Configuration, of_file, of_one
from producers.orphans import Orphan, OrphanWatch, orphans
from tests.doubles.clock import ManualClock
from tests.doubles.kinesis import KinesisDouble
from tests.producers.received import receive
from tests.producers.spool.spools import fill, open_spool
from tests.producers.test_several_inputs import Running, make_log, tail

RECORDS = [b'{"time":"2026-11-21T12:00:00Z","n":%d}' % n for n in range(1, 11)]


@pytest.fixture
def running(client: KinesisClient, tmp_path: Path) -> Iterator[Running]:
    it = Running(client, tmp_path)
    yield it
    it._shutdown.request("the test has ended")
    it._thread.join(60)


def left(spool: Path, acknowledged: int = 4) -> Path:
    """A spool of 10 records that its producer has left."""
    opened = open_spool(spool)
    fill(opened.life(), *RECORDS)
    opened.life().acknowledge(acknowledged)
    opened.close()
    return spool


def settings(folder: Path, *inputs: str) -> Configuration:
    config = folder / "producers.toml"
    config.write_text(f'spool = "{folder}/spool"\n' + "\n".join(inputs))
    return of_file(config, {}, {})


def pushed(name: str) -> str:
    return f'[inputs.{name}]\nsource = "http"\n'


def told(found: list[Orphan]) -> str:
    (orphan,) = found
    return orphan.told


def test_a_spool_without_an_input_is_told_with_its_records_and_what_to_do(tmp_path: Path) -> None:
    spool = left(tmp_path / "spool/old")
    (orphan,) = orphans(settings(tmp_path, tail("web", tmp_path / "a.log")))
    assert (orphan.directory, orphan.waiting) == (str(spool), 6)
    assert f"no input sends the 6 records in spool {spool}" in orphan.told
    assert "name an input of the settings file old" in orphan.told
    assert f"`headrace spool export {spool}`" in orphan.told


def test_a_spool_that_has_an_input_or_nothing_to_send_is_no_orphan(tmp_path: Path) -> None:
    left(tmp_path / "spool/web")
    left(tmp_path / "spool/sent", acknowledged=10)
    open_spool(tmp_path / "spool/empty").close()
    (tmp_path / "spool/lost+found").mkdir()
    (tmp_path / "spool/notes.txt").write_text("mine")
    assert orphans(settings(tmp_path, tail("web", tmp_path / "a.log"))) == []


def test_a_spool_that_another_producer_runs_on_is_no_orphan(tmp_path: Path) -> None:
    left(tmp_path / "spool/other")
    configuration = settings(tmp_path, tail("web", tmp_path / "a.log"))
    running = open_spool(tmp_path / "spool/other")
    assert orphans(configuration) == []
    running.close()
    assert "other" in told(orphans(configuration))


def test_lives_of_a_former_run_without_a_settings_file_are_told(tmp_path: Path) -> None:
    left(tmp_path / "spool")
    left(tmp_path / "spool/web")
    told_of_root = told(orphans(settings(tmp_path, tail("web", tmp_path / "a.log"))))
    assert f"start a producer without a settings file on {tmp_path}/spool, as before" in told_of_root


def test_spools_of_a_former_settings_file_are_told_to_a_producer_of_one_input(tmp_path: Path) -> None:
    left(tmp_path / "spool")
    left(tmp_path / "spool/web")
    one = of_one("stdin", {"spool": str(tmp_path / "spool")}, {})
    assert "name an input of the settings file web" in told(orphans(one))


def test_what_passed_an_http_input_belongs_to_http_inputs_only(tmp_path: Path) -> None:
    left(tmp_path / "spool/api/passing")
    assert orphans(settings(tmp_path, pushed("api"))) == []
    changed = orphans(settings(tmp_path, tail("api", tmp_path / "a.log")))
    assert "name an http input of the settings file api" in told(changed)
    assert "name an http input of the settings file api" in told(orphans(settings(tmp_path, pushed("new"))))
    left(tmp_path / "spool/passing")
    first, second = orphans(settings(tmp_path, pushed("new")))
    assert "start a producer http without a settings file" in second.told
    assert "api" in first.told


def test_a_spool_that_cannot_be_read_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left(tmp_path / "spool/old")

    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("producers.spool.inspection.recover", broken)
    assert "cannot be read" in told(orphans(settings(tmp_path, tail("web", tmp_path / "a.log"))))


def test_a_folder_that_is_not_there_yet_has_none(tmp_path: Path) -> None:
    assert orphans(settings(tmp_path, tail("web", tmp_path / "a.log"))) == []


def test_check_warns_of_it(tmp_path: Path) -> None:
    left(tmp_path / "spool/old")
    lines = list(plan(settings(tmp_path, tail("web", tmp_path / "a.log"))))
    assert lines[-1].startswith("warning: no input sends the 6 records")


def test_each_is_warned_of_once_until_an_input_comes_or_goes(
    tmp_path: Path, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration = settings(tmp_path, tail("web", tmp_path / "a.log"))
    watch = OrphanWatch(clock)
    watch.look(configuration)
    left(tmp_path / "spool/old")
    watch.look(configuration)
    assert watch.found == []  # a minute has not passed
    for _ in range(3):
        clock.sleep(61)
        watch.look(configuration)
    assert "".join(capsys.readouterr()).count("no input sends") == 1
    watch.look_anew()
    watch.look(configuration)
    assert "".join(capsys.readouterr()).count("no input sends") == 1


def test_a_producer_warns_at_its_start_and_sends_it_once_an_input_is_named_so(
    running: Running, kinesis: KinesisDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinesis.create_stream("others", shards=1)
    web, old = make_log(tmp_path / "web.log", 10), tmp_path / "old.log"
    old.touch()
    left(tmp_path / "spool/old")
    running.write(tail("web", web))
    running.start()
    running.wait_for(lambda: running.told[-1].acknowledged == 10)
    assert f"6 records in spool {tmp_path}/spool/old" in "".join(capsys.readouterr())
    (shown,) = running.ask("healthz").json()["detail"]["orphans"]
    assert (shown["waiting"], running.ask("healthz").status_code) == (6, 200)
    assert "headrace_orphaned_records 6.0" in running.ask("metrics").text
    running.write(tail("web", web), tail("old", old, 'stream = "others"'))
    running.reload()
    running.wait_for(lambda: len(kinesis.records("others")) > 0 and running.told[-1].waiting == 0)
    running.wait_for(lambda: not running.ask("healthz").json()["detail"]["orphans"])
    assert "headrace_orphaned_records 0.0" in running.ask("metrics").text
    assert running.stop() == 0


def test_an_input_that_a_reload_removes_before_all_is_sent_is_warned_of(
    running: Running, kinesis: KinesisDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web, gone = make_log(tmp_path / "web.log", 10), make_log(tmp_path / "gone.log", 30)
    kinesis.down()
    running.write("drain_seconds = 0.2", tail("web", web), tail("gone", gone))
    running.start()
    running.wait_for(lambda: running.told[-1].waiting == 40)
    running.write("drain_seconds = 0.2", tail("web", web))
    running.reload()
    running.wait_for(lambda: bool(running.ask("healthz").json()["detail"]["orphans"]))
    assert "no input sends the 30 records" in "".join(capsys.readouterr())
    kinesis.up()
    running.wait_for(lambda: running.told[-1].acknowledged == 10)
    running.write("drain_seconds = 0.2", tail("web", web), tail("gone", gone))
    running.reload()
    running.wait_for(lambda: running.told[-1].waiting == 0 and running.told[-1].acknowledged == 40)
    assert running.stop() == 0
    assert len(receive(kinesis).events) == 40
