"""One shard's process as the daemon sees it, on the embedded PostgreSQL, without Java."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from stream_jobs.error_desk import shard as shard_module
from stream_jobs.error_desk.settings import ErrorDeskSettings
from stream_jobs.error_desk.status import ShardStatus, read_all
from tests.doubles.clock import ManualClock
from tests.stream_jobs.error_desk.conftest import Waiting
from tests.stream_jobs.error_desk.rejects import TIME, misplaced, rejected, unreadable
from tests.stream_jobs.error_desk.stand_in import SHARD, ChildEnded, InThread, record

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("error_desk")]

Sql = Callable[..., list[tuple[Any, ...]]]
Start = Callable[..., InThread]
Allow = Callable[[bool], None]
SEEN = "SELECT raw, seen_on_errors FROM rejects ORDER BY raw"


def status(settings: ErrorDeskSettings) -> ShardStatus:
    (only,) = read_all(settings.folder)
    return only


def test_a_reject_becomes_a_row_with_all_that_it_says(daemon: Start, sql: Sql) -> None:
    daemon().deliver(rejected(5))
    columns = (
        "id, stage, code, record_type, source, sequence, errors, raw, raw_length, raw_sha256, raw_place, "
        "shard, shard_sequence, first_seen, last_seen, seen, seen_on_errors, replayed_at"
    )
    (row,) = sql(f"SELECT {columns} FROM rejects")
    assert row == (
        sha256(b"not_json\0line 5").hexdigest(),
        "transform",
        "not_json",
        "web_access.v1",
        "web-7/01JD",
        5,
        '[{"path":"$.data.status","message":"expected int"}]',
        b"line 5",
        6,
        sha256(b"line 5").hexdigest(),
        None,
        "shardId-000000000009",
        "1000005",
        TIME,
        TIME,
        0,
        1,
        None,
    )


def test_a_made_up_source_is_no_source(daemon: Start, sql: Sql) -> None:
    daemon().deliver(unreadable(b"\xff"))
    assert sql("SELECT source, sequence, shard, shard_sequence, raw FROM rejects") == [
        (None, None, None, None, b"\xff")
    ]


@pytest.mark.parametrize(
    ("data", "code", "source"),
    [
        (b"\xff\xfe garbage", "bad_text", None),
        (b"", "not_json", None),
        (b"[1, 2]", "bad_envelope", None),
        (rejected(1).replace(b'"specversion":"1.0"', b'"specversion":"0.3"'), "bad_envelope", "web-7/01JD"),
        (rejected(1).replace(b'"reject.v1"', b'"reject.v9"'), "unknown_type", "web-7/01JD"),
        (rejected(1).replace(b'"code":"not_json"', b'"code":7'), "wrong_type", "web-7/01JD"),
        (misplaced(), "unknown_type", "web-7/01JD"),
    ],
)
def test_what_is_no_reject_becomes_one_itself(
    daemon: Start, sql: Sql, data: bytes, code: str, source: str | None
) -> None:
    running = daemon()
    running.deliver(rejected(4), data, rejected(5))
    rows = sql(
        "SELECT code, source, raw, shard, shard_sequence, first_seen, seen, seen_on_errors "
        "FROM rejects WHERE stage = 'error_desk'"
    )
    arrival = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert rows == [(code, source, data, SHARD, f"{2:021d}", arrival, 0, 1)]
    assert sql("SELECT count(*) FROM rejects") == [(3,)]


def test_of_a_megabyte_of_garbage_the_head_is_kept_and_the_place_of_the_whole(
    daemon: Start, sql: Sql
) -> None:
    garbage = bytes(range(256)) * 4096
    daemon().deliver(garbage)
    assert sql("SELECT raw, raw_length, raw_sha256, raw_place FROM rejects") == [
        (garbage[: 512 * 1024], 1 << 20, sha256(garbage).hexdigest(), f"kinesis:{SHARD}/{1:021d}")
    ]


def test_copies_are_one_row_that_knows_how_many_they_were(daemon: Start, sql: Sql) -> None:
    running = daemon()
    running.deliver(rejected(1), rejected(2), rejected(1))
    running.deliver(rejected(1), first=4)
    assert sql(SEEN) == [(b"line 1", 3), (b"line 2", 1)]


def test_a_second_delivery_changes_nothing(daemon: Start, sql: Sql) -> None:
    daemon().deliver(rejected(1), rejected(2))
    again = daemon()
    again.deliver(rejected(1), rejected(2))
    again.deliver(rejected(2), rejected(3), first=2)
    assert sql(SEEN) == [(b"line 1", 1), (b"line 2", 1), (b"line 3", 1)]
    assert sql("SELECT stream, shard, read_position, sub_position FROM desk_progress") == [
        ("errors@1", SHARD, f"{3:021d}", 0)
    ]


def test_a_second_delivery_from_the_middle_of_an_aggregate_changes_nothing(daemon: Start, sql: Sql) -> None:
    daemon().process([record(rejected(n), 7, sub=n) for n in range(1, 4)])
    daemon().process([record(rejected(n), 7, sub=n) for n in range(1, 6)])
    assert [count for _, count in sql(SEEN)] == [1, 1, 1, 1, 1]


def test_the_place_goes_to_kcl_when_enough_time_has_passed(daemon: Start, clock: ManualClock) -> None:
    running = daemon()
    assert running.deliver(rejected(1)) == []
    clock.advance(9)
    assert running.deliver(rejected(2), first=2) == []
    clock.advance(1)
    assert running.deliver() == [(f"{2:021d}", 0)]
    clock.advance(20)
    assert running.deliver() == []


def test_the_place_goes_to_kcl_when_enough_records_have_passed(
    daemon: Start, settings: ErrorDeskSettings
) -> None:
    running = daemon()
    many = [b"%d" % n for n in range(settings.checkpoint_records - 1)]
    assert running.deliver(*many) == []
    last = settings.checkpoint_records
    assert running.deliver(b"last", first=last) == [(f"{last:021d}", 0)]


def test_a_throttled_checkpoint_waits_for_the_next_time(daemon: Start, clock: ManualClock) -> None:
    running = daemon()
    running.refusals = ["ThrottlingException"]
    clock.advance(10)
    assert running.deliver(rejected(1)) == [(f"{1:021d}", 0)]
    assert running.deliver() == []
    clock.advance(10)
    assert running.deliver() == [(f"{1:021d}", 0)]


def test_a_checkpoint_that_is_no_longer_ours_is_let_go(daemon: Start, clock: ManualClock) -> None:
    running = daemon()
    running.refusals = ["ShutdownException"]
    clock.advance(10)
    running.deliver(rejected(1))
    clock.advance(10)
    assert running.deliver() == []


@pytest.mark.parametrize("refusal", ["InvalidStateException", "NullPointerException"])
def test_when_kcl_and_the_process_disagree_the_process_ends(
    daemon: Start, clock: ManualClock, sql: Sql, refusal: str
) -> None:
    running = daemon()
    running.refusals = [refusal]
    clock.advance(10)
    with pytest.raises(ChildEnded):
        running.deliver(rejected(1))
    assert sql("SELECT count(*) FROM rejects") == [(1,)]


def test_a_lost_lease_is_not_checkpointed(daemon: Start, settings: ErrorDeskSettings) -> None:
    running = daemon()
    running.deliver(rejected(1))
    assert running.call("leaseLost") == []
    assert list(read_all(settings.folder)) == []


def test_the_end_of_a_shard_is_checkpointed_so_that_its_children_are_read(daemon: Start) -> None:
    running = daemon()
    running.deliver(rejected(1))
    running.refusals = ["ThrottlingException"] * 3
    assert running.call("shardEnded") == [(None, None)] * 4


def test_a_shard_whose_end_cannot_be_kept_is_not_reported_as_ended(daemon: Start) -> None:
    running = daemon()
    running.refusals = ["ThrottlingException"] * 100
    with pytest.raises(ChildEnded):
        running.call("shardEnded")


def test_a_shard_that_is_handed_over_is_checkpointed_where_the_warehouse_stands(daemon: Start) -> None:
    running = daemon()
    running.deliver(rejected(1), rejected(2))
    assert running.call("shutdownRequested") == [(f"{2:021d}", 0)]


def test_a_warehouse_that_is_away_is_waited_for_and_nothing_is_checkpointed(  # noqa: PLR0917  all fixtures
    daemon: Start, settings: ErrorDeskSettings, waiting: Waiting, allow: Allow, clock: ManualClock, sql: Sql
) -> None:
    troubles: list[str] = []

    def look() -> None:
        troubles.append(status(settings).trouble)
        clock.advance(60)

    running = daemon()
    running.deliver(rejected(1))
    allow(False)
    waiting.events = [look, look, look, lambda: allow(True)]
    assert running.deliver(rejected(2), first=2) == [(f"{2:021d}", 0)]
    assert waiting.waits == 4
    assert len(troubles) == 3
    assert all(troubles)
    assert status(settings).trouble == ""
    assert sql(SEEN) == [(b"line 1", 1), (b"line 2", 1)]


def test_waiting_ends_with_the_daemon(daemon: Start, waiting: Waiting, allow: Allow, sql: Sql) -> None:
    running = daemon()
    allow(False)
    waiting.events = [lambda: None, lambda: False]
    with pytest.raises(ChildEnded):
        running.deliver(rejected(1))
    assert running.code == "the daemon is gone"
    allow(True)
    assert sql("SELECT count(*) FROM rejects") == [(0,)]


def test_a_row_that_the_warehouse_refuses_is_kept_in_a_form_that_it_takes(daemon: Start, sql: Sql) -> None:
    sql("ALTER TABLE rejects ADD CHECK (sequence IS NULL OR sequence <> 6)")
    sql("ALTER TABLE rejects ADD CHECK (raw <> 'line 3'::bytea)")
    daemon().deliver(*map(rejected, range(1, 10)))
    assert sql("SELECT sequence, raw, seen_on_errors FROM rejects ORDER BY shard_sequence") == [
        (None, b"", 1) if n == 3 else (None if n == 6 else n, b"line %d" % n, 1) for n in range(1, 10)
    ]
    assert sql("SELECT raw_place FROM rejects WHERE raw_place IS NOT NULL") == [
        (f"kinesis:{SHARD}/{3:021d}",)
    ]


def test_missing_tables_end_the_process_with_the_remedy(
    daemon: Start, settings: ErrorDeskSettings, sql: Sql
) -> None:
    running = daemon()
    sql("DROP TABLE desk_progress")
    with pytest.raises(ChildEnded):
        running.deliver(rejected(1))
    told = status(settings)
    assert told.halted
    assert told.trouble.startswith("SchemaMismatch: the warehouse lacks something; `headrace up` creates it")
    assert sql("SELECT count(*) FROM rejects") == [(0,)]


def test_a_fault_of_our_own_is_never_reported_as_success_and_quotes_no_record(
    daemon: Start,
    settings: ErrorDeskSettings,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(_shard: str, record: Any) -> None:
        raise ValueError(record.data)

    monkeypatch.setattr(shard_module, "placed", fail)
    running = daemon()
    with pytest.raises(ChildEnded):
        running.deliver(b"a secret of somebody")
    assert not status(settings).halted
    assert status(settings).trouble.startswith("ValueError in fail, ")
    assert "secret" not in "".join(capfd.readouterr()) + running.said.getvalue() + status(settings).trouble


def test_a_call_before_the_first_is_never_reported_as_success(daemon: Start) -> None:
    with pytest.raises(ChildEnded):
        daemon(initialize=False).deliver(rejected(1))


def test_the_status_tells_what_was_merged_and_how_far_behind_the_shard_is(
    daemon: Start, settings: ErrorDeskSettings, clock: ManualClock
) -> None:
    running = daemon()
    running.deliver(rejected(1), rejected(1), rejected(2))
    clock.advance(5)
    running.deliver(behind_ms=1500)
    told = status(settings)
    assert (told.shard, told.process, told.merged, told.behind_ms) == (SHARD, 4711, 3, 1500)
    assert (told.at - (told.last_merge or told.at)).total_seconds() == 5
