import math
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from headrace.errors import WarehouseUnavailable
from headrace.ops.shutdown import Shutdown
from headrace.warehouse.report import OutputReport, Report, SourceReport
from stream_jobs.proof import Proof
from tests.doubles.clock import ManualClock


def shown() -> dict[str, float | None]:
    names = ("missing_records", "silent_sources", "wrong_outputs", "warehouse_lag_seconds")
    return {name: REGISTRY.get_sample_value(f"headrace_{name}") for name in names}


def line(source: str, *, missing: int = 0, silent: bool = False) -> SourceReport:
    return SourceReport(
        source=source,
        sent=9,
        counted=9 - missing,
        rejected=0,
        missing=missing,
        duplicates_dropped=0,
        in_flight=0,
        written_off=0,
        silent=silent,
    )


def report(clock: ManualClock, *lines: SourceReport, records: int = 9, read_up_to: float = 5) -> Report:
    """One whose frontier lies so many seconds back."""
    return Report(
        balanced=False,
        sources=list(lines),
        outputs=[OutputReport(name="web_traffic_1m", records=records, expected=9)],
        ledger=OutputReport(name="ledger", records=9, expected=9),
        frontier=clock.now() - timedelta(seconds=read_up_to),
    )


def test_what_reconcile_finds_is_shown(clock: ManualClock) -> None:
    lines = (line("a", missing=2), line("b", missing=1, silent=True), line("c"))
    Proof(lambda: report(clock, *lines, records=8), clock, 60).step()
    assert shown() == {
        "missing_records": 3,
        "silent_sources": 1,
        "wrong_outputs": 1,
        "warehouse_lag_seconds": 5,
    }
    Proof(lambda: report(clock, line("a"), read_up_to=0), clock, 60).step()
    assert set(shown().values()) == {0}


def test_while_the_warehouse_is_away_its_lag_grows(clock: ManualClock) -> None:
    answers = [report(clock, line("a", missing=4))]

    def read() -> Report:
        if answers:
            return answers.pop()
        raise WarehouseUnavailable("nobody answers")

    proof = Proof(read, clock, 60)
    proof.step()
    clock.sleep(300)
    proof.step()
    assert (shown()["warehouse_lag_seconds"], shown()["missing_records"]) == (305, 4)


def test_a_reader_that_fails_leaves_no_lag_that_looks_good(clock: ManualClock) -> None:
    answers = [report(clock, line("a"))]
    proof = Proof(answers.pop, clock, 0.001)
    with pytest.raises(IndexError):
        proof.run(Shutdown())
    assert shown()["missing_records"] == 0
    assert math.isnan(shown()["warehouse_lag_seconds"] or 0)
