"""`python -m producers` as a process of its own: killed, stopped, and started again."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.kinesis import KinesisDouble
from tests.producers.processes import Producers, wait_for
from tests.producers.received import access_lines, receive


@pytest.mark.crash
def test_killed_at_random_points_and_started_again_each_line_arrives_under_one_number(
    producers: Producers, kinesis: KinesisDouble, tmp_path: Path
) -> None:
    lines = 60_000
    log = tmp_path / "access.log"
    log.write_bytes(b"\n".join(access_lines(lines)))
    kinesis.faults.record_failure = 0.05
    seed = random.Random(7)
    for _ in range(8):
        process = producers.start("file", log, "--rate", 30_000, HEADRACE_SPOOL_BYTES=str(8 << 20))
        time.sleep(0.45 + seed.random() * 0.5)
        process.kill()
        process.wait()
    last = producers.start("file", log)
    _, said = last.communicate(timeout=60)
    assert last.returncode == 0, said.decode()
    received = receive(kinesis)
    (source,) = received.statuses
    assert received.conflicts == []
    assert received.numbers(source) == list(range(1, lines + 1))
    assert received.paths() == [f"/{n}" for n in range(1, lines + 1)]
    assert received.statuses[source][-1].closed


@pytest.mark.crash
def test_sigterm_sends_what_was_read_and_exits_0(
    producers: Producers, kinesis: KinesisDouble, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(b"\n".join(access_lines(500)) + b"\n")
    process = producers.start("file", log, "--follow")
    wait_for(lambda: len(receive(kinesis).events) == 500)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, b"all is sent" in said) == (0, True)
    (statuses,) = receive(kinesis).statuses.values()
    assert statuses[-1].closed


@pytest.mark.crash
def test_sigterm_past_its_deadline_says_how_many_records_stay_in_the_spool(
    producers: Producers, kinesis: KinesisDouble, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(b"\n".join(access_lines(500)) + b"\n")
    kinesis.down()
    process = producers.start("file", log, "--follow", HEADRACE_DRAIN_SECONDS="0.3")
    wait_for(
        lambda: (
            b"/500 " in b"".join(p.read_bytes() for p in tmp_path.glob("spool/*/*.segment"))
            or b'"/500"' in b"".join(p.read_bytes() for p in tmp_path.glob("spool/*/*.segment"))
        )
    )
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"500 records remain in the spool" in said


@pytest.mark.crash
def test_lines_from_standard_input_arrive(producers: Producers, kinesis: KinesisDouble) -> None:
    process = producers.start("stdin")
    _, said = process.communicate(b"\n".join(access_lines(1_000)), timeout=20)
    assert process.returncode == 0, said.decode()
    assert receive(kinesis).paths() == [f"/{n}" for n in range(1, 1_001)]


@pytest.mark.crash
def test_wrong_use_exits_2_and_says_what_to_do(producers: Producers, tmp_path: Path) -> None:
    process = producers.start("file", tmp_path / "none.log")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 2
    assert b"none.log cannot be read: No such file" in said
    assert b"Traceback" not in said


@pytest.mark.crash
def test_a_small_disk_that_fills_pauses_the_producer_until_there_is_room(
    producers: Producers, kinesis: KinesisDouble, small_disk: Path, tmp_path: Path
) -> None:
    lines = 30_000
    log = tmp_path / "access.log"
    log.write_bytes(b"\n".join(access_lines(lines)))
    kinesis.down()
    process = producers.start("file", log, "--spool", small_disk / "spool")
    assert process.stderr is not None
    for said in process.stderr:
        if b"no room on the disk" in said:
            break
    kinesis.up()
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0, rest.decode()
    received = receive(kinesis)
    assert received.paths() == [f"/{n}" for n in range(1, lines + 1)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 6 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", path], check=False, capture_output=True
    )
    if mount.returncode:
        pytest.skip("no right to mount a tmpfs here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)
