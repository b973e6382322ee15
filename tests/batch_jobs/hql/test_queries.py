import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from pyspark.sql import SparkSession

from batch_jobs.hive import Catalog
from batch_jobs.hql.queries import queries, read, run
from batch_jobs.storage import Storage
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE
from headrace.schemas.tables import Table
from headrace.warehouse.staging import arrow_schema
from tests.batch_jobs.hql.book import Row, book
from tests.batch_jobs.hql.expected import EXPECTED
from tests.batch_jobs.marks import SPARK

LIVES = book()


@pytest.fixture(scope="module")
def session(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """Spark, with the book in its tables; the rows in no order."""
    storage = Storage(str(tmp_path_factory.mktemp("book")), {})
    catalog = Catalog(spark, storage)
    rows = {
        LOAN_ORIGINATIONS: [life.origination for life in LIVES],
        LOAN_PERFORMANCE: [row for life in LIVES for row in life.months],
    }
    for table, all_rows in rows.items():
        random.Random(1).shuffle(all_rows)
        catalog.prepare(table)
        for vintage in {row["vintage"] for row in all_rows}:
            write(catalog, storage, table, vintage, [row for row in all_rows if row["vintage"] == vintage])
    return spark


def write(catalog: Catalog, storage: Storage, table: Table, vintage: str, rows: list[Row]) -> None:
    folder = f"tables/{table.name}/{vintage}"
    with storage.create(f"{folder}/part-00000.parquet") as file:
        pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(table)), file)
    catalog.set_location(table, vintage, folder)


@pytest.mark.parametrize("name", queries())
class TestOnSpark:
    pytestmark = SPARK

    def test_a_query_answers_what_its_loans_add_up_to(self, session: SparkSession, name: str) -> None:
        _, rows = run(session, queries()[name].text)
        expected = EXPECTED[name](LIVES)
        assert [tuple(row) for row in rows] == [tuple(map(about, row)) for row in expected]
        assert len(expected) > 1


def about(value: Any) -> Any:
    """The value; a float to within a rounding."""
    return pytest.approx(value, rel=1e-9, abs=1.1e-4) if isinstance(value, float) else value


def test_the_book_holds_what_the_queries_tell_apart() -> None:
    codes = {row["zero_balance_code"] for life in LIVES for row in life.months}
    assert codes == {None, "01", "02", "03", "09", "15", "16", "96"}
    answers = {name: expected(LIVES) for name, expected in EXPECTED.items()}
    assert {move[:2] for move in answers["roll_rates"]} >= {("90+ days", "loss"), ("current", "unknown")}
    assert all(sum(row[told] for row in answers["loss_severity"]) > 1 for told in (6, 7, 8))
    assert sum(row[3] > 0 for row in answers["prepayment_speed"]) > 1


@pytest.mark.parametrize("name", queries())
def test_a_query_says_first_what_it_answers_and_is_one_statement_of_hive(name: str) -> None:
    query = queries()[name]
    assert query.question.endswith("?")
    assert len(sqlglot.parse(query.text, dialect="hive")) == 1
    assert all(len(line) <= 110 for line in query.text.splitlines())


def test_a_query_of_ones_own_need_not_open_with_a_comment(tmp_path: Path) -> None:
    (tmp_path / "mine.hql").write_text("select 1\n")
    assert read(tmp_path / "mine.hql") == ("mine", "", "select 1\n")
