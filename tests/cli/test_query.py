import csv
import io
import json
import subprocess
import sys

import psycopg
import pytest

from tests.cli.conftest import WITHOUT_WORKERS, Headrace

pytestmark = pytest.mark.stack

ODD = """
SELECT * FROM (VALUES
  (1::bigint, 'plain', 9007199254740993::numeric(38,0), TIMESTAMP '2015-05-17 10:05:00', true),
  (2, E'a,"b"\\nc', 0.5, NULL, NULL)
) AS odd(n, word, exact, at, yes) ORDER BY n
"""


def test_a_table_for_a_person_aligns_numbers_and_counts_rows(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("query", ODD, HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "n  word                exact  at                   yes",
        "-  -------  ----------------  -------------------  ----",
        "1  plain    9007199254740993  2015-05-17 10:05:00  true",
        '2  a,"b"\N{REPLACEMENT CHARACTER}c               0.5',
        "(2 rows)",
    ]


def test_csv_comes_back_as_it_went_in(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("query", ODD, "--format", "csv", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert list(csv.reader(io.StringIO(answer.out))) == [
        ["n", "word", "exact", "at", "yes"],
        ["1", "plain", "9007199254740993", "2015-05-17 10:05:00", "true"],
        ["2", 'a,"b"\nc', "0.5", "", ""],
    ]


def test_json_keeps_every_digit_and_null(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("query", ODD, "--format", "json", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert json.loads(answer.out) == [
        {"n": 1, "word": "plain", "exact": 9007199254740993, "at": "2015-05-17T10:05:00", "yes": True},
        {"n": 2, "word": 'a,"b"\nc', "exact": 0.5, "at": None, "yes": None},
    ]


def test_no_rows_are_still_valid_json(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace(
        "query", "SELECT 1 WHERE false", "--format", "json", HEADRACE_WAREHOUSE_URL=warehouse_url
    )
    assert json.loads(answer.out) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (n int)",
        "DELETE FROM web_traffic_1m",
        "SELECT 1; DELETE FROM web_traffic_1m",
        "SET TRANSACTION READ WRITE; DELETE FROM web_traffic_1m",
        "LOCK writer_lock",
    ],
)
def test_nothing_can_be_changed(headrace: Headrace, warehouse_url: str, statement: str) -> None:
    answer = headrace("query", statement, HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 2
    assert "refuses" in answer.err
    assert "Traceback" not in answer.err


def test_the_question_is_asked_as_an_analyst(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace(
        "query", "SELECT current_user AS who", "--format", "csv", HEADRACE_WAREHOUSE_URL=warehouse_url
    )
    assert answer.out == "who\nheadrace_analyst\n"


def test_a_statement_that_is_wrong_shows_where(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("query", "SELECT\n  nothing_like_it", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 2
    assert "nothing_like_it" in answer.err
    assert "LINE 2" in answer.err


def test_a_statement_may_come_from_standard_input_and_its_reader_may_leave(warehouse_url: str) -> None:
    program = "import sys; from cli.main import main; sys.argv = ['headrace', 'query', '-']; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={"HEADRACE_WAREHOUSE_URL": warehouse_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"SELECT repeat('x', 70) AS x FROM generate_series(1, 300000)")
        process.stdin.close()
        assert process.stdout.readline() == b"x\n"
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_warehouse_that_does_not_answer_is_one_line(headrace: Headrace) -> None:
    answer = headrace("query", "SELECT 1", HEADRACE_WAREHOUSE_URL="postgresql://127.0.0.1:9/none")
    assert answer.code == 1
    assert answer.err.startswith("headrace: the warehouse does not answer")


def test_a_local_warehouse_that_is_down_is_started_for_the_question(headrace: Headrace) -> None:
    assert headrace("up", *WITHOUT_WORKERS).code == 0
    assert headrace("down").code == 0
    answer = headrace("query", "SELECT count(*) AS n FROM web_traffic_1m", "--format", "csv")
    assert (answer.code, answer.out) == (0, "n\n0\n")
    assert "PostgreSQL: 127.0.0.1:" in answer.err
    assert headrace("query", "SELECT 1 AS n", "--format", "csv").err == ""


def test_a_table_column_never_grows_without_end(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("query", "SELECT repeat('x', 5000) AS long", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert max(map(len, answer.out.splitlines())) == 80


def test_times_with_a_zone_are_shown_in_utc(
    headrace: Headrace, database: psycopg.Connection, warehouse_url: str
) -> None:
    database.execute("ALTER DATABASE headrace SET timezone = 'Asia/Tokyo'")
    try:
        answer = headrace(
            "query",
            "SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00' AS at",
            "--format",
            "csv",
            HEADRACE_WAREHOUSE_URL=warehouse_url,
        )
    finally:
        database.execute("ALTER DATABASE headrace RESET timezone")
    assert answer.out == "at\n2024-01-01 00:00:00\n"


def test_the_transaction_itself_is_read_only_and_sees_one_state(
    headrace: Headrace, warehouse_url: str
) -> None:
    for setting, value in (("transaction_read_only", "on"), ("transaction_isolation", "repeatable read")):
        answer = headrace("query", f"SHOW {setting}", "--format", "csv", HEADRACE_WAREHOUSE_URL=warehouse_url)
        assert answer.out.splitlines()[1] == value
