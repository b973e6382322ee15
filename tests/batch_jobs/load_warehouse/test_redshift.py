"""The same loader on Redshift: which statements it sends, and in which order."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest
import sqlglot
from sqlglot import exp

from batch_jobs.load_warehouse.loader import Loader
from batch_jobs.load_warehouse.staging import copied
from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from headrace.errors import LoadMismatch
from headrace.schemas.loan_tables import LOAN_PERFORMANCE
from headrace.warehouse import partition_sql
from headrace.warehouse.engines import redshift_sql
from headrace.warehouse.session import Cursor
from tests.batch_jobs.load_warehouse.partitions import rows, write
from tests.doubles.clock import ManualClock

ROLE = "arn:aws:iam::123456789012:role/headrace"


class Recorder:
    """Writes down what it is asked to execute, and answers as a cluster that took every row."""

    def __init__(self, output: Output) -> None:
        self.statements: list[tuple[str, Sequence[Any] | None]] = []
        self.totals: tuple[object, ...] = (output.rows, output.vintage, output.vintage)

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        self.execute("BEGIN")
        try:
            yield cast("Cursor", self)
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def execute(self, statement: bytes | str, values: Sequence[Any] | None = None) -> None:
        text = statement.decode() if isinstance(statement, bytes) else statement
        self.statements.append((text, values))

    def fetchone(self) -> tuple[object, ...] | None:
        return self.totals if "COUNT(*)" in self.statements[-1][0] else None

    def fetchall(self) -> list[tuple[object, ...]]:
        return []


@pytest.fixture
def output(storage: Storage) -> Output:
    return write(storage, rows())


@pytest.fixture
def cluster(output: Output) -> Recorder:
    return Recorder(output)


@pytest.fixture
def loader(cluster: Recorder, storage: Storage, clock: ManualClock) -> Loader:
    return Loader(cluster, storage, clock, copied(storage, ROLE))


def test_lock_ledger_copy_checks_swap_ledger_commit(
    loader: Loader, cluster: Recorder, output: Output, storage: Storage
) -> None:
    assert not loader.load(output).already
    manifest = storage.uri(f"{output.folder}/_copy.json")
    key = '"loan_identifier", "period"'
    twice = f"GROUP BY {key} HAVING COUNT(*) > 1 ORDER BY {key} LIMIT 3"
    columns = ", ".join(f'"{column.name}"' for column in LOAN_PERFORMANCE.columns)
    assert [text for text, _ in cluster.statements[3:]] == [
        "BEGIN",
        "LOCK TABLE batch_lock",
        "SELECT input_sha256, rows_in, rows_loaded FROM batch_loads WHERE table_name = %s AND vintage = %s",
        'DROP TABLE IF EXISTS "stage_loan_performance"',
        'CREATE TEMP TABLE "stage_loan_performance" (LIKE "loan_performance")',
        f"COPY \"stage_loan_performance\" FROM '{manifest}' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST",
        'SELECT COUNT(*), MIN(vintage), MAX(vintage) FROM "stage_loan_performance"',
        f'SELECT {key} FROM "stage_loan_performance" {twice}',
        'DELETE FROM "loan_performance" WHERE vintage = %s',
        f'INSERT INTO "loan_performance" ({columns}) SELECT {columns} FROM "stage_loan_performance"',
        "DELETE FROM batch_loads WHERE table_name = %s AND vintage = %s",
        partition_sql.BOOK_LOAD,
        "COMMIT",
    ]
    assert cluster.statements[-2][1] == [
        *("loan_performance", "2005Q1", "time_2005Q1.txt", output.input_sha256, 50, 50, 0),
        ManualClock().now(),
    ]


def test_the_manifest_names_exactly_the_files_with_their_lengths(
    loader: Loader, output: Output, storage: Storage
) -> None:
    loader.load(output)
    assert json.loads(storage.read(f"{output.folder}/_copy.json")) == {
        "entries": [
            {
                "url": f"file:{storage.place(file.path)}",
                "meta": {"content_length": storage.size(file.path), "record_count": 25},
                "mandatory": True,
            }
            for file in output.files
        ]
    }


def test_a_row_too_few_rolls_everything_back(loader: Loader, cluster: Recorder, output: Output) -> None:
    cluster.totals = (49, "2005Q1", "2005Q1")
    with pytest.raises(LoadMismatch, match="49 rows were staged, the manifest says 50"):
        loader.load(output)
    said = [text for text, _ in cluster.statements]
    assert said[-1] == "ROLLBACK"
    assert not [text for text in said if text.startswith(("DELETE", "INSERT"))]


def test_redshifts_grammar_takes_every_statement(loader: Loader, cluster: Recorder, output: Output) -> None:
    loader.load(output)
    for text, _ in cluster.statements:
        if text.startswith("LOCK"):
            continue  # which sqlglot does not know
        parsed = sqlglot.parse_one(text.replace("%s", "'x'"), dialect="redshift")
        assert not isinstance(parsed, exp.Command), text


def test_the_way_back_refuses_a_folder_that_is_not_empty() -> None:
    query = partition_sql.rows_of(LOAN_PERFORMANCE, "2005Q1")
    text = redshift_sql.unload(query, "s3://bucket/2005Q1/", ROLE)
    quoted = query.replace("'", "''")
    assert text == (
        f"UNLOAD ('{quoted}') TO 's3://bucket/2005Q1/' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST VERBOSE"
    )
    inner = sqlglot.parse_one(query, dialect="redshift", into=exp.Select)
    assert [column.name for column in inner.selects] == [column.name for column in LOAN_PERFORMANCE.columns]
    assert inner.args["where"].sql(dialect="redshift") == "WHERE vintage = '2005Q1'"
