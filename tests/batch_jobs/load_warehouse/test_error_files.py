import gzip

import pytest

from batch_jobs.load_warehouse import error_files
from batch_jobs.manifest import DataFile
from batch_jobs.storage import Storage
from headrace.errors import LoadMismatch, StorageUnusable
from headrace.schemas.codec import RejectCode, reject_id
from tests.batch_jobs.load_warehouse.partitions import write


def test_lines_with_the_same_bytes_are_one_row_that_counts_them(storage: Storage) -> None:
    [file] = write(storage, [], bad_lines=[b"a|b", b"c", b"a|b"]).error_files
    [part] = error_files.parts(storage, [file])
    assert [(row["id"], row["raw"], row["seen"], row["sequence"]) for row in part.to_pylist()] == [
        (reject_id(b"a|b", RejectCode.FIELD_COUNT), b"a|b", 2, 1),
        (reject_id(b"c", RejectCode.FIELD_COUNT), b"c", 1, 2),
    ]
    [first, _] = part.to_pylist()
    assert (first["last_seen"] - first["first_seen"]).total_seconds() == 2


@pytest.mark.parametrize("limit", ["LINES_AT_ONCE", "BYTES_AT_ONCE"])
def test_memory_is_bounded_and_no_line_is_lost_between_the_parts(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(error_files, limit, 3)
    files = write(storage, [], bad_lines=[b"line %d" % (n % 4) for n in range(10)]).error_files
    parts = list(error_files.parts(storage, files))
    assert len(parts) > 3
    assert sum(sum(part["seen"].to_pylist()) for part in parts) == 10


def test_a_file_that_is_not_as_it_was_written_is_refused(storage: Storage) -> None:
    [file] = write(storage, [], bad_lines=[b"a", b"b"]).error_files
    data = storage.read(file.path)
    with pytest.raises(LoadMismatch, match="2 lines, the manifest says 3"):
        list(error_files.parts(storage, [DataFile(file.path, file.bytes, 3)]))
    storage.write(file.path, data[:-12])
    with pytest.raises(StorageUnusable, match="part-00000"):
        list(error_files.parts(storage, [file]))
    storage.write(file.path, gzip.compress(b'{"no": "reject"}\n'))
    with pytest.raises(LoadMismatch, match=r"no reject\.v1"):
        list(error_files.parts(storage, [file]))
