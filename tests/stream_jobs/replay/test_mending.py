"""A person's mending file: what it may give, and how its faults are told."""

from pathlib import Path

import pytest

from headrace.errors import MendFailed
from headrace.schemas.records.reject import FieldError
from stream_jobs.replay.mending import BadRecord, Raised, load
from tests.doubles.clock import START

RECORD = BadRecord(
    raw=b"{}",
    code="wrong_type",
    errors=(FieldError("$.data.status", "why"),),
    source="web-1/A",
    sequence=7,
    record_type="web_access.v1",
    stage="stream_job",
    first_seen=START,
)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mend.py"
    path.write_text(text)
    return path


def test_it_sees_all_that_is_known_of_the_record(tmp_path: Path) -> None:
    body = (
        "return repr((r.code, r.errors[0].path, r.source, r.sequence, r.stage, r.first_seen.hour)).encode()"
    )
    mend = load(written(tmp_path, f"def mend(r):\n    {body}\n"))
    assert mend(RECORD) == b"('wrong_type', '$.data.status', 'web-1/A', 7, 'stream_job', 12)"


def test_parts_become_an_event_of_the_records_own_type_unless_told(tmp_path: Path) -> None:
    mend = load(written(tmp_path, 'def mend(r):\n    return {"time": r.first_seen, "data": {"a": 1}}\n'))
    event = b'{"specversion":"1.0","type":"web_access.v1","time":"2026-11-21T12:00:00Z","data":{"a":1}}'
    assert mend(RECORD) == event
    mend = load(written(tmp_path, 'def mend(r):\n    return {"type": "b.v1", "time": "t", "data": {}}\n'))
    assert mend(RECORD) == b'{"specversion":"1.0","type":"b.v1","time":"t","data":{}}'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("return {}['x']", "mend.py:2: KeyError: 'x'"),
        ("return 'text'", 'mend.py: TypeError: mend(record) gives bytes, None, or {"type"'),
        ("return {'data': {}}", "mend.py: TypeError: mend(record) gives"),
        ("return {'time': 1, 'data': {}, 'source': 's'}", "mend.py: TypeError: mend(record) gives"),
        ("return {'time': 1, 'data': object()}", "mend.py: TypeError: Encoding objects"),
    ],
)
def test_a_fault_on_one_record_is_told_with_its_line(tmp_path: Path, body: str, text: str) -> None:
    failure = load(written(tmp_path, f"def mend(r):\n    {body}\n"))(RECORD)
    assert isinstance(failure, Raised)
    assert failure.text.startswith(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nowhere_at_all\n", r"mend\.py:1: ModuleNotFoundError"),
        ("x = 1\ndef mend(:\n", r"mend\.py:2: SyntaxError"),
        ("def mand(r): ...\n", r"has no function mend\(record\)"),
        ("mend = 7\n", r"has no function mend\(record\)"),
    ],
)
def test_a_file_that_cannot_mend_ends_the_run(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(MendFailed, match=words):
        load(written(tmp_path, text))


def test_a_file_that_is_missing_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(MendFailed, match="is no Python file"):
        load(tmp_path / "mend.py")
