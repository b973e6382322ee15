"""Holds the windows that analysts see against the ground truth."""

from math import ceil

from tests.e2e.laptop import Laptop, moment, whole
from tests.e2e.truth import PATHS, TRAFFIC, VISITORS, Truth

BOTS = r"bot|crawl|spider|slurp|feed|curl/|wget/|python-|monitor|scan"


def assert_windows_equal(laptop: Laptop, truth: Truth) -> None:
    """Counts and sums to the last one; quantiles and distinct counts within their stated errors."""
    _assert_traffic(laptop, truth)
    _assert_paths(laptop, truth)
    _assert_visitors(laptop, truth)


def _assert_traffic(laptop: Laptop, truth: Truth) -> None:
    rows = laptop.rows("select * from web_traffic_1m")
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


def _assert_paths(laptop: Laptop, truth: Truth) -> None:
    found = {
        (moment(r["window_start"]), r["path"]): (whole(r["requests"]), whole(r["errors"]), whole(r["bytes"]))
        for r in laptop.rows("select * from web_paths_5m")
    }
    assert found == {row[:2]: row[2:] for row in truth.rows(PATHS)}


def _assert_visitors(laptop: Laptop, truth: Truth) -> None:
    rows = {moment(r["window_start"]): r for r in laptop.rows("select * from web_visitors_15m")}
    expected = truth.rows(VISITORS, BOTS)
    assert rows.keys() == {start for start, *_ in expected}
    for start, visitors, requests, bots in expected:
        row = rows[start]
        assert (whole(row["requests"]), whole(row["bot_requests"])) == (requests, bots)
        assert abs(row["visitors"] - visitors) <= max(2, 4 * 0.0163 * visitors)
