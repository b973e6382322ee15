import json

import psycopg
import pytest

from headrace.schemas.registry import OUTPUTS
from tests.cli.conftest import Headrace

pytestmark = pytest.mark.stack


@pytest.fixture
def three_windows(database: psycopg.Connection) -> None:
    """Two windows that are final and one that is open: the frontier lies at 10:14."""
    database.execute("TRUNCATE web_traffic_1m, shard_progress")
    for minute, method, n in ((0, "GET", 5), (1, "GET", 9), (1, "POST", 1), (9, "GET", 1234)):
        database.execute(
            "INSERT INTO web_traffic_1m SELECT w, w + interval '1 minute', %s, '2xx', %s, 100, 7, 8, %s, 0, w"
            " FROM (SELECT %s::timestamptz AS w) AS made",
            [method, n, n, f"2024-01-01 10:0{minute}:00+00"],
        )
    database.execute(
        "INSERT INTO shard_progress"
        " VALUES ('events', 's', '1', '2024-01-01 10:14:00+00', false, '', '', now())"
    )


@pytest.mark.usefixtures("three_windows")
def test_the_newest_windows_come_first_open_and_final_apart(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("windows", "web_traffic_1m", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 0
    rows = [line.split() for line in answer.out.splitlines() if "2024-01-01" in line]
    assert [(row[1], row[2], row[4], row[-1]) for row in rows] == [
        ("10:09:00", "GET", "1,234", "open"),
        ("10:01:00", "GET", "9", "final"),
        ("10:01:00", "POST", "1", "final"),
        ("10:00:00", "GET", "5", "final"),
    ]


@pytest.mark.usefixtures("three_windows")
def test_json_says_of_each_row_whether_it_is_final(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace(
        "windows", "web_traffic_1m", "--rows", "2", "--json", HEADRACE_WAREHOUSE_URL=warehouse_url
    )
    rows = json.loads(answer.out)["web_traffic_1m"]
    assert [(row["window_start"], row["requests"], row["final"]) for row in rows] == [
        ("2024-01-01T10:09:00Z", 1234, False),
        ("2024-01-01T10:01:00Z", 9, True),
    ]


def test_without_a_name_every_output_is_shown(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("windows", "--json", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert list(json.loads(answer.out)) == list(OUTPUTS)


def test_an_output_without_windows_is_shown_empty(
    headrace: Headrace, warehouse_url: str, database: psycopg.Connection
) -> None:
    database.execute("TRUNCATE web_visitors_15m")
    answer = headrace("windows", "web_visitors_15m", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 0
    assert "web_visitors_15m" in answer.out
