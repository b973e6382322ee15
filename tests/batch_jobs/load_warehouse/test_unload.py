import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from batch_jobs.load_warehouse.loader import Loader
from batch_jobs.load_warehouse.unload import unload
from batch_jobs.storage import Storage
from headrace.errors import StorageUnusable
from headrace.schemas.loan_tables import LOAN_PERFORMANCE, LOAN_TABLES
from headrace.schemas.tables import Table
from headrace.warehouse.engines.postgresql import PostgresqlSession
from tests.batch_jobs.load_warehouse.partitions import rows, truth, write

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("load_warehouse")]


@pytest.fixture
def out(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "out"), {})


@pytest.fixture
def session(url: str) -> Iterator[PostgresqlSession]:
    with closing(PostgresqlSession(url)) as opened:
        yield opened


def read(out: Storage) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [out.place("*.parquet")]).fetchall()
    return sorted(found, key=repr)


@pytest.mark.parametrize("table", LOAN_TABLES.values(), ids=lambda table: table.name)
def test_what_was_loaded_comes_back_in_values_and_types(
    loader: Loader, storage: Storage, out: Storage, session: PostgresqlSession, table: Table
) -> None:
    output = write(storage, rows(table, 200), table=table)
    loader.load(output)
    unloaded = unload(session, out, table)
    assert (unloaded.rows, unloaded.files) == (200, 1)
    assert read(out) == truth(storage, output)
    loaded = pq.ParquetFile(storage.place(output.files[0].path))
    assert pq.ParquetFile(out.place("part-00000.parquet")).schema.equals(loaded.schema)


def test_one_vintage_is_written_without_the_others(
    loader: Loader, storage: Storage, out: Storage, session: PostgresqlSession
) -> None:
    many = [row | {"servicer_name": "\n" * 60} for row in rows(count=6_000)]  # more than a block of text
    wanted = write(storage, many)
    other = write(storage, rows(vintage="2005"), vintage="2005")
    for output in (wanted, other):
        loader.load(output)
    unload(session, out, LOAN_PERFORMANCE, "2005Q1")
    assert read(out) == truth(storage, wanted)
    with pytest.raises(ValueError, match="no vintage"):
        unload(session, Storage(out.place("other"), {}), LOAN_PERFORMANCE, "2005' or 'a' = 'a")


def test_the_manifest_counts_every_file(
    loader: Loader,
    storage: Storage,
    out: Storage,
    session: PostgresqlSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("batch_jobs.load_warehouse.unload._BYTES_AT_ONCE", 1_000)
    loader.load(write(storage, rows(count=100)))
    told: list[int] = []
    unloaded = unload(session, out, LOAN_PERFORMANCE, rows_per_file=30, advance=told.append)
    manifest = json.loads(out.read("manifest"))
    assert unloaded.files == len(manifest["entries"]) > 2
    for entry in manifest["entries"]:
        path = Path(entry["url"].removeprefix("file:"))
        assert path.stat().st_size == entry["meta"]["content_length"]
        assert pq.ParquetFile(path).metadata.num_rows == entry["meta"]["record_count"]
    assert sum(entry["meta"]["record_count"] for entry in manifest["entries"]) == sum(told) == 100
    assert len(read(out)) == 100


def test_an_empty_table_is_a_manifest_without_files(out: Storage, session: PostgresqlSession) -> None:
    assert unload(session, out, LOAN_PERFORMANCE).rows == 0
    assert json.loads(out.read("manifest")) == {"entries": []}


def test_nothing_is_overwritten(out: Storage, session: PostgresqlSession) -> None:
    out.write("mine.txt", b"kept")
    with pytest.raises(StorageUnusable, match="not empty"):
        unload(session, out, LOAN_PERFORMANCE)
    assert out.list("") == ["mine.txt"]


def test_an_unload_that_is_cut_off_has_no_manifest(
    loader: Loader, storage: Storage, out: Storage, session: PostgresqlSession
) -> None:
    output = write(storage, rows())
    loader.load(output)

    def cut(_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unload(session, out, LOAN_PERFORMANCE, advance=cut)
    assert not out.exists("manifest")
    unload(session, other := Storage(out.place("other"), {}), LOAN_PERFORMANCE)
    assert read(other) == truth(storage, output)
