from pathlib import Path
from typing import Any

import pytest

from tests.e2e import stranger
from tests.e2e.laptop import Laptop
from tests.e2e.truth import Truth
from tests.e2e.windows import assert_windows_equal

SOURCES = ("stranger/a", "stranger/b")
HELD = 1234


@pytest.mark.spark
@pytest.mark.stack
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("counting")
def test_a_producer_with_none_of_our_code_gets_the_same_promises(
    counting: Laptop, truth: Truth, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in counting.aws().items():
        monkeypatch.setenv(name, value)
    stream = counting.aws()["HEADRACE_STREAM"]
    events = list(stranger.records_of(log, SOURCES))
    held = next(e for e in events if (e["source"], e["id"]) == (SOURCES[0], f"{HELD:016d}"))
    rest = [event for event in events if event is not held]

    stranger.send(stream, stranger.wild(rest, seed=1), seed=2)
    report = counting.reconcile("--wait", "90", code=1)
    a, b = sources(report)
    assert not report["balanced"]
    assert (a["missing"], a["missing_ranges"], b["missing"]) == (1, [[HELD, HELD]], 0)
    assert a["duplicates_dropped"] + b["duplicates_dropped"] > len(events) / 4

    stranger.send(stream, [stranger.encode(held)], seed=3)
    report = counting.reconcile("--wait", "90", code=0)
    assert [source["missing"] for source in sources(report)] == [0, 0]
    assert sum(source["counted"] for source in sources(report)) == len(events) == truth.good()
    assert_windows_equal(counting, truth)
    garbage = counting.rows("select code, source from rejects where stage = 'stream_job'")
    assert len(garbage) == len(stranger.GARBAGE)
    assert {row["source"] or None for row in garbage} == {None}


def sources(report: dict[str, Any]) -> list[dict[str, Any]]:
    found = {source["source"]: source for source in report["sources"]}
    return [found[name] for name in SOURCES]
