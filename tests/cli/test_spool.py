import json
import os
from pathlib import Path

import pytest

from producers.quarantine import Quarantine
from tests.cli.conftest import Headrace
from tests.producers.spool.spools import fill, open_spool

RECORDS = [b'{"time":"2026-11-21T12:00:00Z","n":%d}' % n for n in range(1, 11)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two spools below a root: `web` with 10 records of which 4 are acknowledged, and `api` with none."""
    web = open_spool(tmp_path / "root/web")
    fill(web.life(), *RECORDS)
    web.life().acknowledge(4)
    web.close()
    open_spool(tmp_path / "root/api").close()
    return tmp_path / "root"


def damage(root: Path) -> None:
    (segment,) = root.glob("web/*/*.segment")
    segment.write_bytes(segment.read_bytes().replace(b'"n":7}', b'"n":B}'))


def test_inspect_shows_every_spool_below_a_folder(headrace: Headrace, root: Path) -> None:
    answer = headrace("spool", "inspect", str(root))
    assert answer.code == 0
    for text in ("root/web", "root/api", "1 - 10", "open", "6 records wait", "in is read to 10"):
        assert text in answer.out


def test_inspect_names_the_producer_that_runs(headrace: Headrace, root: Path) -> None:
    web = open_spool(root / "web")
    assert f"process {os.getpid()} runs on it" in headrace("spool", "inspect", str(root / "web")).out
    web.close()


def test_inspect_as_json_is_for_a_program(headrace: Headrace, root: Path) -> None:
    api, web = json.loads(headrace("spool", "inspect", str(root), "--json").out)
    assert (api["lives"], web["held_by"], web["waiting"]) == ([], None, 6)
    assert web["lives"][0]["positions"] == {"in": "10"}


def test_verify_is_an_exit_code_and_a_list(headrace: Headrace, root: Path) -> None:
    answer = headrace("spool", "verify", str(root))
    assert (answer.code, answer.err) == (0, "")
    assert "web: sound; 10 entries" in answer.out
    damage(root)
    answer = headrace("spool", "verify", str(root))
    assert answer.code == 1
    assert "number 7: its checksum fails" in answer.out
    answer = headrace("spool", "verify", str(root), "--json")
    assert answer.code == 1
    (finding,) = json.loads(answer.out)[1]["findings"]
    assert (finding["numbers"], finding["damage"]) == ([7, 7], True)


def test_export_writes_what_waits_one_a_line(headrace: Headrace, root: Path) -> None:
    answer = headrace("spool", "export", str(root))
    assert (answer.code, answer.err) == (0, "6 records written\n")
    assert answer.out.encode().splitlines() == RECORDS[4:]
    answer = headrace("spool", "export", str(root / "web"), "--all", "--from", "2", "--to", "3")
    assert answer.out.encode().splitlines() == RECORDS[1:3]


def test_export_to_a_file_never_overwrites_one(headrace: Headrace, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    assert headrace("spool", "export", str(root), "--output", str(out)).code == 0
    assert out.read_bytes().splitlines() == RECORDS[4:]
    answer = headrace("spool", "export", str(root), "--output", str(out))
    assert answer.code == 2
    assert "exists" in answer.err


def test_export_names_what_is_damaged_and_fails(headrace: Headrace, root: Path) -> None:
    damage(root)
    answer = headrace("spool", "export", str(root))
    assert answer.code == 1
    assert " 7\n5 records written, 1 are damaged\n" in answer.err
    assert len(answer.out.splitlines()) == 5
    answer = headrace("spool", "export", str(root), "--format", "raw")
    assert f" 7 damaged {len(b'in') + 2 + len(RECORDS[6])}\n" in answer.out


def test_prune_deletes_only_old_files_and_says_which(headrace: Headrace, root: Path) -> None:
    quarantine = Quarantine(root / "web/quarantine")
    old, young = (Path(quarantine.keep(text).place) for text in (b"old", b"young"))
    os.utime(old, (0, 0))
    prune = ("spool", "prune-quarantine", str(root), "--older-than", "30d")
    assert headrace(*prune, "--dry-run").out == f"{old}\n"
    assert old.exists()
    assert headrace(*prune).out == f"{old}\n"
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["inspect", "/no/such/folder"], "cannot be read"),
        (["export", "{root}", "--life", "7"], "no life 7"),
        (["export", "{root}", "--from", "0"], "--from"),
        (["prune-quarantine", "{root}", "--older-than", "soon"], "30d"),
        (["prune-quarantine", "{root}"], "--older-than"),
    ],
)
def test_wrong_use_is_told(headrace: Headrace, root: Path, arguments: list[str], complaint: str) -> None:
    answer = headrace("spool", *(argument.format(root=root) for argument in arguments))
    assert answer.code == 2
    assert complaint in answer.err
