"""The reading commands over the Data API: what they print is what a connection gives."""

import json
from collections.abc import Iterator

import psycopg
import pytest
import sqlglot
from sqlglot import exp

from tests.cli.conftest import Headrace
from tests.doubles.data_api import DataApiDouble

pytestmark = pytest.mark.stack

ODD = """
SELECT * FROM (
  SELECT 1 AS n, 'plain' AS word, CAST(9007199254740993 AS DECIMAL(38, 0)) AS exact,
    CAST('2015-05-17 10:05:00+00' AS TIMESTAMPTZ) AS at, TRUE AS yes
  UNION ALL SELECT 2, 'a,"b"', 0.5, NULL, NULL
) AS odd ORDER BY n
"""


@pytest.fixture
def double(warehouse_url: str, database: psycopg.Connection) -> Iterator[DataApiDouble]:
    database.execute("TRUNCATE web_traffic_1m, shard_progress")
    for minute, n in ((0, 5), (1, 9), (9, 1234)):
        database.execute(
            "INSERT INTO web_traffic_1m"
            " SELECT w, w + interval '1 minute', 'GET', '2xx', %s, 100, 7, 8, %s, 0, w"
            " FROM (SELECT %s::timestamptz AS w) AS made",
            [n, n, f"2024-01-01 10:0{minute}:00+00"],
        )
    database.execute(
        "INSERT INTO shard_progress"
        " VALUES ('events', 's', '1', '2024-01-01 10:14:00+00', false, '', '', now())"
    )
    with DataApiDouble(warehouse_url, page_rows=2) as started:
        yield started


@pytest.mark.parametrize(
    "command",
    [
        ("query", ODD),
        ("query", ODD, "--format", "csv"),
        ("query", ODD, "--format", "json"),
        ("windows",),
        ("windows", "web_traffic_1m", "--rows", "2", "--json"),
        ("reconcile", "--json"),
    ],
)
def test_the_answer_is_the_same_over_the_data_api(
    headrace: Headrace, warehouse_url: str, double: DataApiDouble, command: tuple[str, ...]
) -> None:
    over_api = headrace(*command, **double.environ())
    directly = headrace(*command, HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert over_api == directly
    assert over_api.out
    assert double.states


def test_final_and_open_windows_are_told_apart(headrace: Headrace, double: DataApiDouble) -> None:
    answer = headrace("windows", "web_traffic_1m", "--json", **double.environ())
    assert [row["final"] for row in json.loads(answer.out)["web_traffic_1m"]] == [False, True, True]
    assert {type(sqlglot.parse_one(text, read="redshift")) for text in double.texts} == {exp.Select}


@pytest.mark.parametrize("statement", ["DELETE FROM rejects", "SELECT 1 AS n INTO mine", "SELECT nothing"])
def test_a_statement_that_is_no_question_or_wrong_is_refused(
    headrace: Headrace, double: DataApiDouble, statement: str
) -> None:
    answer = headrace("query", statement, **double.environ())
    assert answer.code == 2
    assert "refuses the statement" in answer.err


@pytest.mark.parametrize("option", [("--archive",), ("--write-off", "web-1", "7-9", "--reason", "lost")])
def test_what_has_to_write_is_refused_with_the_remedy(
    headrace: Headrace, double: DataApiDouble, option: tuple[str, ...]
) -> None:
    environ = double.environ() | {"HEADRACE_ARCHIVE_BUCKET": "archive"}
    answer = headrace("reconcile", *option, **environ)
    assert answer.code == 2
    assert f"{option[0]} decides and writes under one lock" in answer.err
    assert "redshift://" in answer.err
