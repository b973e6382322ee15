import json

import psycopg
import pytest

from tests.cli.conftest import Headrace

pytestmark = pytest.mark.stack


@pytest.fixture
def books(database: psycopg.Connection) -> psycopg.Connection:
    """A ledger in which `web-1` lacks 7 to 9, `web-2` and `web-3` are closed and complete."""
    database.execute(
        "TRUNCATE ledger_ranges, ledger_sources, ledger_outputs, ledger_types, ledger_write_offs,"
        " shard_progress, web_traffic_1m"
    )
    for source, fate, first, last in (
        ("web-1", "counted", 1, 6),
        ("web-1", "counted", 10, 10),
        ("web-2", "counted", 1, 4),
        ("web-2", "rejected", 5, 5),
        ("web-3", "counted", 1, 1),
    ):
        database.execute("INSERT INTO ledger_ranges VALUES (%s, %s, %s, %s)", [source, fate, first, last])
    for source, sent, copies, replayed in (("web-1", 10, 0, 0), ("web-2", 5, 3, 2), ("web-3", 1, 0, 0)):
        database.execute(
            "INSERT INTO ledger_sources VALUES"
            " (%s, %s, %s, %s, %s, true, now() - interval '1 hour', %s, now())",
            [source, sent, copies, sent, sent, replayed],
        )
    database.execute("INSERT INTO shard_progress VALUES ('events', 's', '1', now(), false, '', '', now())")
    database.execute("INSERT INTO ledger_types VALUES ('web_access.v1', 12)")
    database.execute("INSERT INTO ledger_outputs VALUES ('web_traffic_1m', 'web_access.v1', 0, now(), false)")
    database.execute(
        "INSERT INTO web_traffic_1m VALUES (now(), now(), 'GET', '2xx', 12, 0, 0, 0, 12, 0, now())"
    )
    return database


@pytest.mark.usefixtures("books")
def test_a_gap_is_named_and_fails_the_check(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("reconcile", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 1
    assert "web-1 lacks 3: 7-9" in answer.out
    assert "(2 closed sources)" in answer.out
    assert "web-2" not in answer.out


@pytest.mark.usefixtures("books")
def test_all_lists_the_settled_sources_too(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace("reconcile", "--all", HEADRACE_WAREHOUSE_URL=warehouse_url)
    rows = {
        line.split()[0]: line.split()[1:]
        for line in answer.out.splitlines()
        if line.strip().startswith("web-")
    }
    assert rows["web-2"] == ["5", "4", "1", "2", "0", "0", "3", "0", "ok"]
    assert rows["web-3"] == ["1", "1", "0", "0", "0", "0", "0", "0", "ok"]


@pytest.mark.usefixtures("books")
def test_json_has_the_documented_fields(headrace: Headrace, warehouse_url: str) -> None:
    report = json.loads(headrace("reconcile", "--json", HEADRACE_WAREHOUSE_URL=warehouse_url).out)
    assert report["balanced"] is False
    first = report["sources"][0]
    expected = {
        "source": "web-1",
        "sent": 10,
        "counted": 7,
        "rejected": 0,
        "replayed": 0,
        "missing": 3,
        "duplicates_dropped": 0,
        "in_flight": 0,
        "written_off": 0,
    }
    assert expected.items() <= first.items()
    assert report["outputs"] == [{"name": "web_traffic_1m", "records": 12, "expected": 12}]


@pytest.mark.usefixtures("books")
def test_a_write_off_balances_the_books_and_stays_visible(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace(
        "reconcile",
        *("--write-off", "web-1", "7-9", "--reason", "disk lost in the fire", "--all"),
        HEADRACE_WAREHOUSE_URL=warehouse_url,
    )
    assert answer.code == 0, answer
    assert "balanced: every record is accounted for" in answer.out
    row = next(line.split() for line in answer.out.splitlines() if line.strip().startswith("web-1"))
    assert row[1:] == ["10", "7", "0", "0", "0", "0", "0", "3", "ok"]


@pytest.mark.usefixtures("books")
def test_numbers_that_arrived_cannot_be_written_off(headrace: Headrace, warehouse_url: str) -> None:
    answer = headrace(
        "reconcile", "--write-off", "web-1", "6-7", "--reason", "?", HEADRACE_WAREHOUSE_URL=warehouse_url
    )
    assert answer.code == 1
    assert "arrived and cannot be written off" in answer.err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--write-off", "web-1", "7-9"],
        ["--reason", "none"],
        ["--write-off", "web-1", "seven", "--reason", "x"],
        ["--wait", "-1"],
    ],
)
def test_wrong_use_is_told(headrace: Headrace, warehouse_url: str, wrong: list[str]) -> None:
    assert headrace("reconcile", *wrong, HEADRACE_WAREHOUSE_URL=warehouse_url).code == 2


def test_a_double_count_is_told(headrace: Headrace, warehouse_url: str, books: psycopg.Connection) -> None:
    books.execute("UPDATE web_traffic_1m SET records = records + 1")
    answer = headrace("reconcile", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert answer.code == 1
    assert "web_traffic_1m holds 1 more than expected" in answer.out
