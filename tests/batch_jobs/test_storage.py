import os
import pickle
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_jobs.storage import Storage
from headrace.errors import StorageUnusable
from headrace.ops.clock import SystemClock
from infra.local import emulator
from infra.local.state import State

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "loans-test"
LARGE = 12 << 20  # more than one part of an upload


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that points at an emulator of this module's own."""
    state, clock = State(tmp_path_factory.mktemp("storage") / ".headrace"), SystemClock()
    background = emulator.start(state, os.environ, clock, preferred=0)
    yield {
        "AWS_ENDPOINT_URL": emulator.endpoint(background),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    emulator.stop(state, clock)


@pytest.fixture(scope="module")
def s3(environ: dict[str, str]) -> "S3Client":
    client = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    return client


class Beside:
    """What lies there, asked another way than through Storage."""

    def __init__(self, root: Path | None, s3: "S3Client | None" = None, prefix: str = "") -> None:
        self._root, self._s3, self._prefix = root, s3, prefix

    def files(self) -> dict[str, int]:
        """Bytes by path below the root."""
        if self._s3 is not None:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self._prefix)
            found = [entry for page in pages for entry in page.get("Contents", ())]
            return {entry["Key"].removeprefix(self._prefix): entry["Size"] for entry in found}
        assert self._root is not None
        paths = (path for path in self._root.rglob("*") if path.is_file())
        return {path.relative_to(self._root).as_posix(): path.stat().st_size for path in paths}

    def read(self, path: str) -> bytes:
        """The bytes of one."""
        if self._s3 is not None:
            return self._s3.get_object(Bucket=BUCKET, Key=self._prefix + path)["Body"].read()
        assert self._root is not None
        return (self._root / path).read_bytes()


Place = tuple[Storage, Beside]


@pytest.fixture(params=["disk", pytest.param("s3", marks=pytest.mark.stack)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty storage, on a disk and on the emulator's S3."""
    if request.param == "disk":
        root = tmp_path / "a root"
        return Storage(str(root), {}), Beside(root)
    environ, client = request.getfixturevalue("environ"), request.getfixturevalue("s3")
    prefix = f"{request.node.name}/"
    return Storage(f"s3://{BUCKET}/{prefix}", environ), Beside(None, client, prefix)


def test_what_is_written_is_there_under_its_name_and_nothing_else(place: Place) -> None:
    storage, beside = place
    storage.write("a/b c/d=1/e.txt", b"one")
    storage.write("a/empty", b"")
    storage.write("a/b c/d=1/e.txt", b"other")
    assert beside.files() == {"a/b c/d=1/e.txt": 5, "a/empty": 0}
    assert beside.read("a/b c/d=1/e.txt") == storage.read("a/b c/d=1/e.txt") == b"other"
    assert storage.read("a/empty") == b""
    assert [storage.size("a/b c/d=1/e.txt"), storage.size("a/empty")] == [5, 0]


def test_what_is_listed_is_all_below_the_folder_sorted(place: Place) -> None:
    storage, _ = place
    for path in ("t/y=2/b", "t/y=2/a", "t/y=10/_manifest.json", "tables/x"):
        storage.write(path, b"x")
    assert storage.list("t") == ["t/y=10/_manifest.json", "t/y=2/a", "t/y=2/b"]
    assert storage.list("t/y=2") == ["t/y=2/a", "t/y=2/b"]
    assert storage.list("none") == []
    assert [storage.exists(path) for path in ("t/y=2/a", "t/y=2", "t/none")] == [True, False, False]


def test_a_large_file_comes_back_as_it_was(place: Place) -> None:
    storage, beside = place
    block = bytes(range(256)) * 4096
    with storage.create("large.bin") as file:
        for _ in range(LARGE // len(block)):
            file.write(block)
    assert beside.files() == {"large.bin": LARGE}
    assert storage.read("large.bin") == beside.read("large.bin") == block * (LARGE // len(block))


def test_parquet_is_written_and_its_columns_are_read_anywhere_in_the_file(place: Place) -> None:
    storage, _ = place
    table = pa.table({"n": range(10_000), "text": ["x"] * 10_000})
    with storage.create("t/part.parquet") as file:
        pq.write_table(table, file)
    with storage.open("t/part.parquet") as file:
        assert pq.read_table(file, columns=["n"]).equals(table.select(["n"]))


class Stopped(Exception):
    """What a writer may fail of."""


def failing(writing: AbstractContextManager[Any], size: int) -> None:
    def write_and_fail() -> None:
        with writing as file:
            file.write(b"x" * size)
            raise Stopped

    with pytest.raises(Stopped):
        write_and_fail()


@pytest.mark.parametrize("size", [0, 3, LARGE])
def test_a_writer_that_fails_leaves_nothing_under_the_name(place: Place, size: int) -> None:
    storage, beside = place
    failing(storage.create("t/new"), size)
    assert storage.list("t") == []
    assert not storage.exists("t/new")
    assert "t/new" not in beside.files()


def test_a_writer_that_fails_leaves_what_was_there(place: Place) -> None:
    storage, beside = place
    storage.write("t/old", b"old")
    failing(storage.create("t/old"), LARGE)
    assert storage.read("t/old") == beside.read("t/old") == b"old"
    storage.write("t/old", b"new")
    assert beside.files() == {"t/old": 3}


def test_nothing_is_seen_of_a_file_before_it_is_whole(place: Place) -> None:
    storage, beside = place
    with storage.create("t/new") as file:
        file.write(b"x" * LARGE)
        assert storage.list("t") == []
        assert not storage.exists("t/new")
    assert beside.files() == {"t/new": LARGE}


def test_an_error_of_the_writers_own_is_not_taken_for_one_of_the_storage(place: Place) -> None:
    storage, _ = place
    with pytest.raises(pa.ArrowInvalid), storage.create("t/new"):
        pa.array(["x"], pa.int64())


def test_what_is_not_there_is_told_by_its_place(place: Place) -> None:
    storage, _ = place
    for call in (storage.read, storage.open, storage.size):
        with pytest.raises(StorageUnusable, match=re.escape(f"{storage.root}/t/none")):
            call("t/none")


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    storage = Storage(str(tmp_path / "file"), {})
    with pytest.raises(StorageUnusable, match="file/x"):
        storage.write("x", b"")


def test_what_is_removed_is_gone_and_what_was_not_there_is_no_matter(place: Place) -> None:
    storage, beside = place
    for path in ("t/a", "t/b", "t/c/d", "other/a"):
        storage.write(path, b"x")
    storage.remove("t/a")
    storage.remove("t/a")
    assert set(beside.files()) == {"t/b", "t/c/d", "other/a"}
    storage.clear("t")
    storage.clear("none")
    assert set(beside.files()) == {"other/a"}


def test_what_a_killed_writer_left_is_not_listed_and_is_cleared(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path), {})
    writing = storage.create("t/a")
    writing.__enter__().write(b"x")
    assert len(list((tmp_path / "t").iterdir())) == 1
    assert storage.list("t") == []
    storage.clear("t")
    assert list((tmp_path / "t").iterdir()) == []


def test_a_storage_travels_to_sparks_workers(place: Place) -> None:
    storage, beside = place
    pickle.loads(pickle.dumps(storage)).write("a", b"x")
    assert beside.files() == {"a": 1}


@pytest.mark.stack
def test_a_bucket_that_is_not_there_is_told(environ: dict[str, str]) -> None:
    storage = Storage("s3://no-such-bucket/loans", environ)
    with pytest.raises(StorageUnusable, match="s3://no-such-bucket/loans/x"):
        storage.write("x", b"x")
    with pytest.raises(StorageUnusable, match="s3://no-such-bucket/loans/x"):
        storage.read("x")


def test_spark_gets_the_name_with_a_scheme_and_nothing_escaped(
    tmp_path: Path,
) -> None:
    assert Storage(str(tmp_path / "a b"), {}).uri("c d/e=1") == f"file:{tmp_path}/a b/c d/e=1"
    assert Storage("s3://bucket/a/", {"AWS_REGION": "us-east-1"}).uri("e=1") == "s3://bucket/a/e=1"


def test_a_link_shows_the_file_that_it_names_and_may_be_set_again(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path / "root"), {})
    storage.write("held.txt", b"held")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    assert storage.link("links/a.txt", "held.txt")
    assert storage.read("links/a.txt") == b"held"
    assert storage.link("links/a.txt", str(tmp_path / "mine.txt"))
    assert storage.read("links/a.txt") == b"mine"
    assert storage.list("links") == ["links/a.txt"]
    assert not Storage("s3://bucket", {"AWS_REGION": "us-east-1"}).link("a", "b")
