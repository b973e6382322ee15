"""Holds the windows that analysts see against the ground truth."""

from math import ceil
from typing import Any, Protocol

from tests.e2e.laptop import moment, whole
from tests.e2e.truth import EDITS, PATHS, SIGNUPS, TRAFFIC, VISITORS, Truth

BOTS = r"bot|crawl|spider|slurp|feed|curl/|wget/|python-|monitor|scan"


class Asked(Protocol):
    """What answers SQL with rows, times as text: a `Laptop`, or the database itself."""

    def rows(self, query: str) -> list[dict[str, Any]]: ...


def assert_windows_equal(asked: Asked, truth: Truth) -> None:
    """Counts and sums to the last one; quantiles and distinct counts within their stated errors."""
    _assert_traffic(asked, truth)
    _assert_paths(asked, truth)
    _assert_visitors(asked, truth)


def assert_edits_equal(asked: Asked, truth: Truth) -> None:
    """The same for the changes of wikis."""
    rows = {
        (moment(r["window_start"]), r["wiki"], r["kind"]): r
        for r in asked.rows("select * from wiki_edits_1m")
    }
    expected = truth.rows(EDITS)
    exact = ("edits", "bot_edits", "minor_edits", "net_bytes")
    assert {key: tuple(whole(r[name]) for name in exact) for key, r in rows.items()} == {
        row[:3]: row[3:7] for row in expected
    }
    for row in expected:
        _assert_distinct(rows[row[:3]]["editors"], row[7])


def assert_signups_equal(asked: Asked, truth: Truth) -> None:
    """The same for people who signed up."""
    rows = {
        (moment(r["window_start"]), r["country"]): r for r in asked.rows("select * from user_signups_10m")
    }
    expected = truth.rows(SIGNUPS)
    assert {key: whole(r["signups"]) for key, r in rows.items()} == {row[:2]: row[2] for row in expected}
    for start, country, _, users, ages in expected:
        _assert_distinct(rows[start, country]["users"], users)
        _assert_quantile(rows[start, country]["age_p50"], ages, 0.50)


def _assert_traffic(asked: Asked, truth: Truth) -> None:
    rows = asked.rows("select * from web_traffic_1m")
    found = {
        (moment(r["window_start"]), r["method"], r["status_class"]): (whole(r["requests"]), whole(r["bytes"]))
        for r in rows
    }
    expected = truth.rows(TRAFFIC)
    assert found == {row[:3]: row[3:5] for row in expected}
    sizes = {row[:3]: row[5] for row in expected}
    for row in rows:
        values = sizes[moment(row["window_start"]), row["method"], row["status_class"]]
        _assert_quantile(row["bytes_p50"], values, 0.50)
        _assert_quantile(row["bytes_p95"], values, 0.95)


def _assert_quantile(found: float | None, values: list[int] | None, q: float) -> None:
    if not values:
        assert found is None
        return
    exact = values[max(1, ceil(round(q * len(values), 9))) - 1]
    assert found is not None
    assert abs(found - exact) <= 0.0101 * exact


def _assert_paths(asked: Asked, truth: Truth) -> None:
    found = {
        (moment(r["window_start"]), r["path"]): (whole(r["requests"]), whole(r["errors"]), whole(r["bytes"]))
        for r in asked.rows("select * from web_paths_5m")
    }
    assert found == {row[:2]: row[2:] for row in truth.rows(PATHS)}


def _assert_visitors(asked: Asked, truth: Truth) -> None:
    rows = {moment(r["window_start"]): r for r in asked.rows("select * from web_visitors_15m")}
    expected = truth.rows(VISITORS, BOTS)
    assert rows.keys() == {start for start, *_ in expected}
    for start, visitors, requests, bots in expected:
        row = rows[start]
        assert (whole(row["requests"]), whole(row["bot_requests"])) == (requests, bots)
        _assert_distinct(row["visitors"], visitors)


def _assert_distinct(found: int, exact: int) -> None:
    assert abs(found - exact) <= max(2, 4 * 0.0163 * exact)
