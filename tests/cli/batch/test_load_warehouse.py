"""`headrace batch load-warehouse` and `unload` as a person calls them."""

import json
from pathlib import Path

import duckdb
import pytest
from psycopg import Connection

from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from tests.batch_jobs.load_warehouse.partitions import rows, truth, write
from tests.cli.conftest import Headrace

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("load_warehouse")]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / ".headrace" / "batch"), {})


@pytest.fixture
def outputs(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> list[Output]:
    """What the catalog would name, without a Spark to ask it."""
    made = [
        write(storage, rows(count=30), bad_lines=[b"a|b"]),
        write(storage, rows(count=40, vintage="2005Q2"), vintage="2005Q2", name="time_2005Q2.txt"),
    ]
    monkeypatch.setattr("cli.batch.load_warehouse.partitions", lambda *_: made)
    return made


@pytest.fixture
def emptied(database: Connection) -> Connection:
    for table in ("loan_performance", "batch_loads", "batch_rejects", "rejects"):
        database.execute(f"TRUNCATE {table}")
    return database


@pytest.mark.usefixtures("outputs", "emptied")
def test_it_shows_each_partition_and_a_second_time_that_it_is_there(
    headrace: Headrace, warehouse_url: str
) -> None:
    answer = headrace("batch", "load-warehouse", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 0, answer.err
    lines = [text.split() for text in answer.out.splitlines() if text.strip().startswith("loan_")]
    assert lines == [
        ["loan_performance", "2005Q1", "time_2005Q1.txt", "31", "30", "1", "loaded"],
        ["loan_performance", "2005Q2", "time_2005Q2.txt", "40", "40", "0", "loaded"],
    ]
    assert "loaded: loan_performance 2005Q2, 40 rows\n" in answer.err
    again = headrace("batch", "load-warehouse", "--json", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert [one["already"] for one in json.loads(again.out)["partitions"]] == [True, True]


def test_what_was_loaded_before_a_refusal_is_told_before_it(
    headrace: Headrace, warehouse_url: str, outputs: list[Output], storage: Storage, emptied: Connection
) -> None:
    storage.write(outputs[1].files[0].path, b"")
    answer = headrace("batch", "load-warehouse", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 1
    assert "time_2005Q1.txt" in answer.out
    assert "time_2005Q2.txt" not in answer.out
    assert "part-00000.parquet has 0 bytes, the manifest says" in answer.err
    assert emptied.execute("SELECT vintage FROM batch_loads").fetchall() == [("2005Q1",)]


@pytest.mark.usefixtures("emptied")
def test_a_vintage_comes_back_to_a_new_folder_alone(
    headrace: Headrace, warehouse_url: str, outputs: list[Output], storage: Storage, tmp_path: Path
) -> None:
    headrace("batch", "load-warehouse", HEADRACE_WAREHOUSE_URL=warehouse_url)
    out = str(tmp_path / "back")
    call = ("batch", "unload", "loan_performance", "--vintage", "2005Q2", "--out", out)
    answer = headrace(*call, HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.out.startswith("40 rows in 1 file, ")
    again = headrace(*call, HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert (again.code, again.err) == (1, f"headrace: {out} is not empty: name a new folder\n")
    told = json.loads(headrace(*call[:-1], f"{out}2", "--json", HEADRACE_WAREHOUSE_URL=warehouse_url).out)
    assert (told["rows"], told["vintage"], told["folder"]) == (40, "2005Q2", f"{out}2")
    with duckdb.connect() as connection:
        back = connection.execute("SELECT * FROM read_parquet(?)", [f"{out}2/*.parquet"]).fetchall()
    assert sorted(back, key=repr) == truth(storage, outputs[1])


@pytest.mark.parametrize("url", ["redshift://host/db?workgroup=w", "redshift-data://workgroup/db"])
def test_redshift_is_told_how_to_write_the_files_itself(headrace: Headrace, tmp_path: Path, url: str) -> None:
    call = ("batch", "unload", "loan_performance", "--vintage", "2005Q2", "--out", "s3://lake/2005Q2")
    answer = headrace(*call, HEADRACE_WAREHOUSE_URL=url)
    assert answer.code == 2
    assert "HEADRACE_WAREHOUSE_URL names a Redshift" in answer.err
    assert "WHERE vintage = ''2005Q2''') TO 's3://lake/2005Q2/'" in answer.err
    local = headrace(*call[:-1], str(tmp_path / "back"), HEADRACE_WAREHOUSE_URL=url)
    assert "TO 's3://BUCKET/FOLDER/'" in local.err
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("command", [("load-warehouse",), ("unload", "loan_performance", "--out", "x")])
def test_what_is_no_vintage_is_wrong_use(headrace: Headrace, command: tuple[str, ...]) -> None:
    answer = headrace("batch", *command, "--vintage", "2005Q5")
    assert answer.code == 2
    assert "'2005Q5' is neither a quarter, 2005Q1, nor a year, 2005" in answer.err
