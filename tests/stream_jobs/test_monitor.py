import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from prometheus_client import REGISTRY

from headrace.ops import logs
from headrace.warehouse.batch import Committed, FoldedBatch, ShardProgress, TypeShare
from stream_jobs.monitor import Monitor
from stream_jobs.source.prefetch import ReaderState
from tests.doubles.clock import ManualClock

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SHARD = ShardProgress("shard-0", "42", NOW, closed=False, parents=())
BATCH = FoldedBatch(
    counted={},
    rejected={},
    dropped={},
    types={},
    windows={},
    parts={},
    minutes={},
    rejects=None,
    statuses=[],
    progress=[SHARD],
)


def test_the_job_is_healthy_once_its_first_batch_is_committed(tmp_path: Path) -> None:
    monitor = Monitor(ManualClock(), tmp_path / "status")
    monitor.phase("running")
    assert not monitor.health().ok
    monitor.committed(Committed(already=False), BATCH, 0.5)
    assert monitor.health().ok
    assert monitor.health().detail["batches"] == 1


def test_what_holds_the_job_up_makes_it_red_until_the_next_commit(tmp_path: Path) -> None:
    monitor = Monitor(ManualClock(), tmp_path / "status")
    monitor.committed(Committed(already=False), BATCH, 0.5)
    monitor.trouble("the warehouse does not answer")
    assert not monitor.health().ok
    assert monitor.health().detail["trouble"] == "the warehouse does not answer"
    monitor.committed(Committed(already=False), BATCH, 0.5)
    assert monitor.health().ok


def test_trouble_of_the_reader_in_its_own_process_is_told(tmp_path: Path) -> None:
    monitor = Monitor(ManualClock(), tmp_path / "status")
    monitor.committed(Committed(already=False), BATCH, 0.5)
    (tmp_path / "status").write_bytes(msgspec.json.encode(ReaderState("Kinesis is away", {})))
    assert not monitor.health().ok
    assert monitor.health().detail["trouble"] == "Kinesis is away"
    (tmp_path / "status").write_bytes(b"half a fi")
    assert monitor.health().ok


def test_shares_and_breakers_are_metrics_that_a_replay_leaves_and_silence_clears(tmp_path: Path) -> None:
    monitor = Monitor(ManualClock(), tmp_path / "status")

    def shown(record_type: str) -> tuple[float | None, float | None]:
        return (
            REGISTRY.get_sample_value("headrace_rejected_share", {"record_type": record_type}),
            REGISTRY.get_sample_value("headrace_breaker_open", {"record_type": record_type}),
        )

    opened = TypeShare("web_access.v1", 90, 10, is_open=True, was_open=False)
    unreadable = TypeShare("", 0, 3, is_open=False, was_open=False)
    monitor.committed(Committed(already=False, shares=[opened, unreadable]), BATCH, 0.5)
    assert shown("web_access.v1") == (0.1, 1)
    assert shown("unreadable") == (1, 0)
    monitor.committed(Committed(already=True), BATCH, 0.5)
    assert shown("web_access.v1") == (0.1, 1)
    monitor.committed(Committed(already=False), BATCH, 0.5)
    assert shown("web_access.v1") == (0, 0)
    assert shown("unreadable") == (0, 0)


def test_late_records_are_counted_among_all_that_came_into_windows_and_a_replay_counts_none(
    tmp_path: Path,
) -> None:
    def shown() -> list[float]:
        names = ("headrace_window_records_total", "headrace_late_records_total")
        return [REGISTRY.get_sample_value(name) or 0 for name in names]

    monitor, before = Monitor(ManualClock(), tmp_path / "status"), shown()
    windows = {
        "web_traffic_1m": pa.table({"records": [7, 3], "late_records": [1, 0]}),
        "web_paths_5m": pa.table(
            {"records": pa.array([], pa.int64()), "late_records": pa.array([], pa.int64())}
        ),
    }
    batch = dataclasses.replace(BATCH, windows=windows)
    monitor.committed(Committed(already=True), batch, 0.5)
    monitor.committed(Committed(already=False), batch, 0.5)
    assert [now - then for now, then in zip(shown(), before, strict=True)] == [10, 1]


def test_a_breaker_is_told_when_it_opens_and_when_it_closes_and_not_between(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor = Monitor(ManualClock(), tmp_path / "status")
    logs.configure(process="test", form="json")
    for was_open, is_open, rejected in ((False, True, 10), (True, True, 8), (True, False, 0)):
        share = TypeShare("web_access.v1", 90, rejected, is_open=is_open, was_open=was_open)
        monitor.committed(Committed(already=False, shares=[share]), BATCH, 0.5)
    told = [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"], line["rejected"]) for line in told] == [
        ("warning", "breaker opens: too many records are rejected", 10),
        ("info", "breaker closes", 0),
    ]
