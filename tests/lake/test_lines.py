import json

import pytest

from headrace.errors import ArchiveRefused
from headrace.lake.lines import numbers_of


def line(source: str, sequence: int | None, **fields: object) -> bytes:
    stamp = "2026-01-02T03:04:05.678901Z"
    kept = {"_source": source, "_sequence": sequence, "_event_time": stamp, "_ingested_at": stamp}
    return json.dumps({**fields, **kept}).encode() + b"\n"


def test_numbers_are_grouped_by_their_source_with_repeats_and_without_unnumbered_records() -> None:
    data = line("web-1/A", 2, path='/"\n', status=200) + line("ünï/B", 2**53 - 1, nested={"_sequence": 9})
    data += line("web-1/A", 1) + line("web-1/A", None, spooled=7) + line("web-1/A", 2)
    assert numbers_of(data, "k") == {"web-1/A": [2, 1, 2], "ünï/B": [2**53 - 1]}
    assert numbers_of(b"", "k") == {}


@pytest.mark.parametrize(
    "wrong",
    [
        b"no json\n",
        b'{"_source": "s", "_sequence": 9007199254740992}\n',
        b'{"a": 1}\n',
        b'{"_source": "s", "_sequence": "1"}\n',
        b"[]\n",
    ],
)
def test_what_is_no_line_of_the_archive_is_refused_with_the_objects_name(wrong: bytes) -> None:
    with pytest.raises(ArchiveRefused, match=r"events/type=a/1\.gz"):
        numbers_of(line("s", 1) + wrong, "events/type=a/1.gz")
