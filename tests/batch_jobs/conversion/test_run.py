import random
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyspark.sql import SparkSession

from batch_jobs.conversion.run import Conversion, Made, newest, output_folder
from batch_jobs.hive import DATABASE, Catalog
from batch_jobs.manifest import Input, write_input
from batch_jobs.storage import Storage
from headrace.errors import InputRefused, StorageUnusable
from headrace.schemas.loan_tables import LOAN_PERFORMANCE
from tests.batch_jobs.conversion.loan_inputs import LINES, splits, taken, with_cells
from tests.batch_jobs.conversion.test_pieces import rejects_of, rows_of
from tests.batch_jobs.marks import SPARK

pytestmark = SPARK


@pytest.fixture
def storage(tmp_path: Path, spark: SparkSession) -> Storage:
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    return Storage(str(tmp_path / "root"), {})


def months(loans: range, periods: int = 6, balance: int = 0) -> list[str]:
    """Good lines in order."""
    return [
        with_cells(
            LINES["performance", "r47"],
            {1: f"F05Q1{loan:07d}", 2: f"20070{period}", 3: f"{balance + loan}.00"},
        )
        for loan in loans
        for period in range(1, periods + 1)
    ]


def given(
    tmp_path: Path, lines: list[str], vintage: str = "2005Q1", split: int = 20, **changes: Any
) -> Input:
    """An input of these lines, in splits of so many."""
    text = "\n".join(lines).encode()
    path = tmp_path / sha256(text).hexdigest()[:9] / f"perf_{vintage}.txt"
    return taken(
        text, "performance", "r47", path=path, vintage=vintage, splits=splits(text, split), **changes
    )


def quiet(what: str, done: int, of: int) -> None:
    assert what
    assert 0 <= done <= of


def run(spark: SparkSession, storage: Storage, entry: Input) -> Made:
    return Conversion(spark, storage).run(entry, quiet)


def judged(storage: Storage, made: Made) -> tuple[list[dict[str, Any]], dict[int, tuple[str, bytes, str]]]:
    return rows_of(storage, made.output.files), rejects_of(storage, made.output.error_files)


def test_in_whatever_order_the_lines_come_each_key_is_one_row_and_its_other_lines_are_rejects(
    spark: SparkSession, storage: Storage, tmp_path: Path
) -> None:
    good = months(range(1, 31))
    lines = [*good, *months(range(5, 9), balance=700), "not|a|line", good[0], good[0]]
    random.Random(7).shuffle(lines)
    made = run(spark, storage, given(tmp_path, lines, split=80))
    first: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        first.setdefault(line[:20], number)
    rows, rejects = judged(storage, made)
    keys = [(row["loan_identifier"], row["period"]) for row in rows]
    assert keys == sorted(set(keys))
    assert {row["file_line"] for row in rows} == {line for key, line in first.items() if key != "not|a|line"}
    assert made.output.rejected == {"duplicate_key": 26, "field_count": 1}
    assert {line: raw.decode() for line, (_, raw, _) in rejects.items()} == {
        line: lines[line - 1] for line in rejects
    }
    for number, (code, raw, reason) in rejects.items():
        if code == "duplicate_key":
            before = first[raw.decode()[:20]]
            assert before < number
            assert reason == f"line {before} has the same key"
    assert (len(rows) + len(rejects), storage.list("scratch")) == (len(lines), [])


def test_the_verdicts_are_the_same_whatever_the_way(
    spark: SparkSession, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = months(range(1, 11))
    lines = [line for at, line in enumerate(good) for line in [line] * (1 + at % 3)] + ["x"]
    entry = given(tmp_path, lines, split=10_000)
    with monkeypatch.context() as patch:
        patch.setattr(Conversion, "_sorted", None)
        in_order = judged(storage, run(spark, storage, entry))
    storage.clear("tables")
    monkeypatch.setattr(Conversion, "_in_order", lambda *_: None)
    assert judged(storage, run(spark, storage, entry)) == in_order
    assert len(in_order[0]) == len(good)


def test_a_partition_is_what_spark_reads_and_a_redelivery_replaces_it_alone(
    spark: SparkSession, storage: Storage, tmp_path: Path
) -> None:
    one, other = given(tmp_path, months(range(1, 31))), given(tmp_path, months(range(1, 3)), "2006")
    made = [run(spark, storage, entry) for entry in (one, other, one)]
    assert [it.is_new for it in made] == [True, True, False]
    assert len(made[0].output.files) == 8
    newer = given(tmp_path, months(range(1, 31), balance=500))
    assert run(spark, storage, newer).is_new
    locations = Catalog(spark, storage).locations(LOAN_PERFORMANCE)
    assert locations == {"2005Q1": output_folder(newer), "2006": output_folder(other)}
    read = spark.sql(
        f"SELECT vintage_year, vintage_quarter, vintage, count(*), sum(current_actual_upb), min(period), "
        f"max(remaining_months_to_legal_maturity), sum(actual_loss) FROM {DATABASE}.loan_performance "
        "GROUP BY ALL ORDER BY 1"
    ).collect()
    files = [storage.place(f"{folder}/*.parquet") for folder in locations.values()]
    expected = duckdb.connect().execute(
        "SELECT vintage[:4]::INT, CASE WHEN vintage LIKE '%Q%' THEN vintage[6:]::INT ELSE 0 END, vintage, "
        "count(*), sum(current_actual_upb), min(period), max(remaining_months_to_legal_maturity), "
        "sum(actual_loss) FROM read_parquet($files) GROUP BY ALL ORDER BY 1",
        {"files": files},
    )
    assert [tuple(row) for row in read] == expected.fetchall()
    assert (read[0][3], read[0][4], read[1][3]) == (180, 180 * 500 + 6 * sum(range(1, 31)), 12)


def test_what_a_killed_run_left_does_not_count(spark: SparkSession, storage: Storage, tmp_path: Path) -> None:
    entry = given(tmp_path, months(range(1, 31)))
    for folder in (output_folder(entry), f"scratch/{output_folder(entry)}/rows"):
        storage.write(f"{folder}/part-00099.parquet", b"half a f")
    storage.write(f"errors/loan_performance/2005Q1/{entry.sha256[:16]}/part-00099.ndjson.gz", b"half")
    made = run(spark, storage, entry)
    assert (len(rows_of(storage, made.output.files)), made.output.rejected) == (180, {})
    assert storage.list(f"errors/loan_performance/2005Q1/{entry.sha256[:16]}") == []
    assert spark.table(f"{DATABASE}.loan_performance").count() == 180


def test_the_newest_input_of_each_vintage_is_converted(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="`headrace batch ingest` takes files; of the kind there are none"):
        newest(storage, "performance")
    old = given(tmp_path, months(range(1, 2)), taken_at="2026-11-21T12:00:00Z")
    new = given(tmp_path, months(range(1, 3)), taken_at="2026-11-21T12:00:01Z")
    other = given(tmp_path, months(range(1, 2)), "2006Q3")
    for entry in (new, other, old):
        write_input(storage, entry)
    assert newest(storage, "performance") == [new, other]
    assert newest(storage, "performance", ["2006Q3"]) == [other]
    with pytest.raises(InputRefused, match=r"of 2007Q1 was taken: .* there are 2005Q1, 2006Q3"):
        newest(storage, "performance", ["2007Q1", "2006Q3"])


def test_many_inputs_are_converted_at_once_and_told_in_their_order(
    spark: SparkSession, storage: Storage, tmp_path: Path
) -> None:
    entries = [
        given(tmp_path, months(range(1, 3 + quarter), balance=quarter), f"2005Q{quarter}")
        for quarter in (1, 2, 3, 4)
    ]
    told = list(Conversion(spark, storage).run_all(entries, lambda _: quiet, lambda: 0.0))
    assert [made.output.vintage for made, _ in told] == ["2005Q1", "2005Q2", "2005Q3", "2005Q4"]
    assert all(made.is_new for made, _ in told)
    counted = spark.sql(f"SELECT vintage, count(*) FROM {DATABASE}.loan_performance GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in counted.collect()] == [
        (made.output.vintage, made.output.rows_in) for made, _ in told
    ]


def test_an_input_that_fails_does_not_take_the_others_with_it(
    spark: SparkSession, storage: Storage, tmp_path: Path
) -> None:
    good, lost = given(tmp_path, months(range(1, 3))), given(tmp_path, months(range(3, 5)), "2005Q2")
    Path(lost.path).unlink()
    told = Conversion(spark, storage).run_all([good, lost], lambda _: quiet, lambda: 0.0)
    assert next(told)[0].output.rows == good.rows
    with pytest.raises(StorageUnusable, match="ingest it again"):
        next(told)
    assert set(Catalog(spark, storage).locations(LOAN_PERFORMANCE)) == {"2005Q1"}
