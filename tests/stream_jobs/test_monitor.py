from datetime import UTC, datetime
from pathlib import Path

import msgspec

from headrace.warehouse.batch import Committed, FoldedBatch, ShardProgress
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
