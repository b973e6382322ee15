import hashlib
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from batch_jobs.synthetic import write
from batch_jobs.synthetic.writing import read
from headrace.errors import SettingsError, StorageUnusable
from tests.batch_jobs.synthetic.books import Layout, good_rows
from tests.producers.processes import wait_for


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def small(folder: Path, *, seed: int = 1, layout: Layout = "r47", dirty: float = 0.0, jobs: int = 1) -> None:
    write(folder, loans=40, seed=seed, layout=layout, first="2010Q4", last="2011Q2", dirty=dirty, jobs=jobs)


def test_the_bytes_are_the_same_whatever_the_number_of_processes(tmp_path: Path) -> None:
    small(tmp_path / "one", dirty=0.02)
    small(tmp_path / "two", dirty=0.02, jobs=2)
    one = contents(tmp_path / "one")
    assert len(one) == 3 * 4 + 1
    assert contents(tmp_path / "two") == one
    small(tmp_path / "other", seed=2, dirty=0.02)
    assert contents(tmp_path / "other")["orig_2011Q1.txt"] != one["orig_2011Q1.txt"]


def test_a_seed_gives_the_loans_it_always_gave_or_else_the_version_of_the_generator_is_raised(
    tmp_path: Path,
) -> None:
    truth = write(tmp_path, loans=300, seed=1, layout="r47", first="2006", last="2018")
    hashes = "".join(file.sha256 for file in truth.files)
    assert (truth.book.version, hashlib.sha256(hashes.encode()).hexdigest()[:16]) == (1, "f59840728b8538e1")


def test_good_lines_are_the_same_whatever_the_share_of_bad_ones(tmp_path: Path) -> None:
    small(tmp_path / "clean")
    small(tmp_path / "dirty", dirty=0.2)
    clean, dirty = read(tmp_path / "clean"), read(tmp_path / "dirty")
    assert sum(file.lines - file.rows for file in dirty.files) > 100
    sound = list(good_rows(tmp_path / "clean", clean.files))
    assert list(good_rows(tmp_path / "dirty", dirty.files)) == sound
    assert [file.sums for file in dirty.files] == [file.sums for file in clean.files]


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("r47", ["orig_2010Q4.txt", "perf_2010Q4.txt"]),
        ("legacy", ["historical_data_2010Q4.txt", "historical_data_time_2010Q4.txt"]),
    ],
)
def test_an_archive_holds_the_two_files_of_its_quarter(
    tmp_path: Path, layout: Layout, names: list[str]
) -> None:
    write(tmp_path / "text", loans=10, seed=1, layout=layout, first="2010Q4", last="2010Q4")
    for folder in ("zip", "same"):
        truth = write(
            tmp_path / folder, loans=10, seed=1, layout=layout, first="2010Q4", last="2010Q4", zipped=True
        )
        assert truth.archives == ("historical_data_2010Q4.zip",)
    with zipfile.ZipFile(tmp_path / "zip" / "historical_data_2010Q4.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            name: (tmp_path / "text" / name).read_bytes() for name in names
        }
    assert not set(names) & set(contents(tmp_path / "zip"))
    assert contents(tmp_path / "zip") == contents(tmp_path / "same")


def test_a_book_that_is_there_is_left_and_another_one_takes_its_place(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("not of a book")
    small(tmp_path)
    first = tmp_path / "perf_2010Q4.txt"
    before = first.stat().st_ino
    small(tmp_path)
    assert first.stat().st_ino == before
    first.write_bytes(b"cut short")
    small(tmp_path)
    assert len(first.read_bytes()) > 1000
    write(tmp_path, loans=5, seed=1, layout="legacy", first="2003Q1", last="2003Q1")
    assert sorted(contents(tmp_path)) == [
        "bad_2003Q1.ndjson",
        "historical_data_2003Q1.txt",
        "historical_data_time_2003Q1.txt",
        "mine.txt",
        "truth.json",
        "truth_2003Q1.ndjson",
    ]


def test_what_is_interrupted_changes_nothing(tmp_path: Path) -> None:
    small(tmp_path)
    before = contents(tmp_path)

    def stop(_loans: int) -> None:
        assert any((tmp_path / ".unfinished").iterdir())
        raise KeyboardInterrupt

    for jobs in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            write(
                tmp_path, loans=200, seed=9, layout="r47", first="2010", last="2010", jobs=jobs, advance=stop
            )
        assert contents(tmp_path) == before


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_ends_all_processes_and_leaves_no_file(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "cli",
        "batch",
        "synthesize",
        "--loans",
        "500000",
        "--jobs",
        "2",
        "--out",
    ]
    running = subprocess.Popen(
        [*command, str(tmp_path / "book")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        wait_for(lambda: len(list(tmp_path.glob("book/.unfinished/perf_*"))) >= 2, seconds=60)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, out, err.splitlines()[-1]) == (130, "", "interrupted")
    assert "Traceback" not in err
    assert list((tmp_path / "book").iterdir()) == []
    wait_for(lambda: not is_alive(running.pid))


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("05", "2008", "'05' is no vintage"),
        ("2005", "2005Q5", "'2005Q5' is no vintage"),
        ("1998Q4", "2008", "1998Q4 is outside"),
        ("2005", "2026", "2026 is outside"),
        ("2008", "2005", "end .2005Q4. before they begin .2008Q1."),
    ],
)
def test_vintages_that_make_no_sense_are_refused(tmp_path: Path, first: str, last: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        write(tmp_path, loans=1, seed=1, layout="r47", first=first, last=last)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable, match="file"):
        small(tmp_path / "file")
