"""The way back against a real warehouse and the job's own fold and commit: what the numbers then are."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import KinesisRefused
from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.ops.shutdown import Shutdown
from headrace.schemas.codec import (
    Event,
    FieldError,
    RejectCode,
    Rejection,
    Stage,
    decode,
    encode,
    reject_event,
)
from headrace.schemas.records.producer_status import ProducerStatus
from headrace.schemas.rejects import reject_id
from headrace.warehouse.replays import Wanted
from stream_jobs.replay.candidates import Origin
from stream_jobs.replay.mending import BadRecord, Raised
from tests.doubles.clock import START
from tests.doubles.kinesis_faults import FailRecords, Refuse
from tests.stream_jobs.replay.mill import Bucket, Mill, access, failed_line, heal, spoiled

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("replay")]
Query = Callable[..., list[tuple[Any, ...]]]
FAILED = "failed/events/processing-failed/2026/11/21/a"


def on_events(mill: Mill, after: int = 0) -> list[bytes]:
    return [record.data for record in mill.kinesis.records()[after:]]


def put(mill: Mill, *raws: bytes) -> None:
    for raw in raws:
        mill.kinesis.put("events", raw)


def rejection(raw: bytes, code: RejectCode, **known: Any) -> Rejection:
    return Rejection(code=code, errors=(FieldError("$", "why"),), raw=raw, **known)


def test_a_mended_record_is_counted_under_its_own_number_as_if_it_had_always_been_good(mill: Mill) -> None:
    put(mill, access(1), spoiled(2), access(3))
    mill.grind()
    summary = mill.way_back(mend=heal)
    mill.grind()
    assert summary.put == 1
    (back,) = on_events(mill, after=3)
    event = decode(back)
    assert isinstance(event, Event)
    assert (event.source, event.sequence) == ("web-1/A", "0000000000000002")
    assert f'"replayof":"{reject_id(spoiled(2), RejectCode.WRONG_TYPE)}"'.encode() in back
    state = mill.state()
    assert state["ranges"] == [("web-1/A", "counted", 1, 3)]
    assert [row[2:] for row in state["windows"]] == [(3, 1 + 2 + 3)]


def test_the_second_run_finds_nothing_and_changes_nothing(mill: Mill) -> None:
    put(mill, spoiled(1), spoiled(2))
    mill.grind()
    assert mill.way_back(mend=heal).put == 2
    assert mill.way_back(mend=heal).codes == {}, "before the job has read what went back"
    mill.grind()
    before = mill.state()
    assert mill.way_back(mend=heal).codes == {}
    mill.grind()
    assert mill.state() == before


def test_again_puts_what_was_put_before_and_copies_change_no_number(mill: Mill) -> None:
    put(mill, spoiled(1))
    mill.grind()
    mill.way_back(mend=heal)
    assert mill.way_back(mend=heal, wanted=Wanted(again=True)).put == 1
    mill.grind()
    assert [row[2:] for row in mill.state()["windows"]] == [(1, 1)]
    assert mill.way_back(mend=heal, wanted=Wanted(again=True)).codes == {}, "its number is counted"


def test_a_reject_that_came_again_since_is_a_candidate_again(mill: Mill) -> None:
    put(mill, spoiled(1))
    mill.grind()
    mill.way_back(mend=lambda record: record.raw.replace(b'"status":"200"', b'"status":201'))
    put(mill, spoiled(1, "web-1/B"), spoiled(1))
    taken, mill.taken = mill.taken, mill.taken + 1  # the job has not come to the mended one yet
    mill.grind()
    assert mill.way_back(dry_run=True).codes["wrong_type"].candidates == 1 + 1
    assert taken == 1


def test_a_dry_run_says_what_would_pass_and_does_nothing(mill: Mill, query: Query) -> None:
    put(mill, spoiled(1), access(2)[:-20], spoiled(3))
    mill.grind()
    before = query("SELECT * FROM rejects ORDER BY id")
    summary = mill.way_back(dry_run=True, mend=heal)
    assert summary.codes["wrong_type"].passed == 2
    assert summary.codes["not_json"].still_bad == {"not_json": 1}
    assert summary.put == 0
    assert len(on_events(mill)) == 3
    assert query("SELECT * FROM rejects ORDER BY id") == before


def test_what_is_still_bad_stays_and_says_what_is_wrong_now(mill: Mill) -> None:
    put(mill, spoiled(1))
    mill.grind()
    summary = mill.way_back(mend=lambda record: record.raw.replace(b'"status":"200"', b'"status":-1'))
    assert summary.codes["wrong_type"].still_bad == {"out_of_range": 1}
    assert mill.way_back(dry_run=True).codes["wrong_type"].candidates == 1


def test_the_mending_function_may_leave_one_and_fail_on_another(mill: Mill) -> None:
    put(mill, spoiled(1), spoiled(2), spoiled(3))
    mill.grind()

    def mend(record: BadRecord) -> bytes | Raised | None:
        return {1: None, 2: Raised("mend.py:7: KeyError: 'x'"), 3: heal(record)}[record.sequence or 0]

    summary = mill.way_back(mend=mend)
    tally = summary.codes["wrong_type"]
    assert (tally.left, tally.mend_failed, tally.passed, summary.put) == (1, 1, 1, 1)
    assert summary.troubles == [
        f"reject {reject_id(spoiled(2), RejectCode.WRONG_TYPE)}: mend.py:7: KeyError: 'x'"
    ]


def test_a_record_that_our_own_code_failed_on_goes_back_as_it_was(mill: Mill) -> None:
    fault = rejection(access(7), RejectCode.JOB_FAULT, source="web-1/A", sequence=7)
    put(mill, reject_event(fault, stage=Stage.STREAM_JOB, source="web-1/A", sequence=7, time=START))
    mill.grind()
    assert mill.way_back().put == 1
    mill.grind()
    assert mill.state()["ranges"] == [("web-1/A", "counted", 7, 7)]


def test_a_record_that_only_the_archive_lacks_goes_back_although_it_is_counted(mill: Mill) -> None:
    put(mill, access(7))
    mill.grind()
    fault = rejection(access(7), RejectCode.TRANSFORM_FAULT, source="web-1/A", sequence=7)
    event = reject_event(fault, stage=Stage.TRANSFORM, source="web-1/A", sequence=7, time=START)
    bucket = Bucket({"errors/code=transform_fault/date=2026-11-21/a": event + b"\n"})
    before = mill.state()
    assert mill.way_back(bucket).put == 1
    mill.grind()
    assert mill.state() == before
    assert mill.way_back(bucket).put == 0


def test_a_line_that_a_producer_rejected_gets_its_envelope_from_us(mill: Mill) -> None:
    data = b'{"client_address": "::1", "method": "GET", "path": "/", "status": 200}'
    line = b'{"time": "2026-11-21T12:00:00Z", "data": %b}' % data
    was = rejection(line, RejectCode.UNKNOWN_FIELD, record_type="web_access.v1")
    put(mill, reject_event(was, stage=Stage.PRODUCER, source="web-1/A", sequence=4, time=START))
    mill.grind()
    assert mill.way_back().put == 1
    mill.grind()
    assert mill.state()["ranges"] == [("web-1/A", "counted", 4, 4)]


def test_a_foreign_number_inside_the_line_does_not_become_the_records_number(mill: Mill) -> None:
    was = rejection(access(99, "elsewhere/Z"), RejectCode.JOB_FAULT, record_type="web_access.v1")
    put(mill, reject_event(was, stage=Stage.PRODUCER, source="web-1/A", sequence=4, time=START))
    mill.grind()
    mill.way_back()
    mill.grind()
    assert mill.state()["ranges"] == [("web-1/A", "counted", 4, 4)]


def test_a_damaged_spool_entry_never_passes_by_itself(mill: Mill) -> None:
    was = rejection(access(5), RejectCode.DAMAGED_ENTRY)
    put(mill, reject_event(was, stage=Stage.PRODUCER, source="web-1/A", sequence=5, time=START))
    mill.grind()
    assert mill.way_back().codes["damaged_entry"].still_bad == {"damaged_entry": 1}
    assert mill.way_back(mend=lambda record: record.raw).put == 1


def test_a_record_without_a_number_takes_one_from_its_reject_and_counts_once(mill: Mill) -> None:
    bare = access(1).replace(b',"sequence":"0000000000000001"', b"")
    put(mill, bare, bare)
    mill.grind()
    assert mill.way_back().put == 1
    mill.grind()
    source = f"replay/{reject_id(bare, RejectCode.BAD_ENVELOPE)}"
    assert mill.state()["ranges"] == [(source, "counted", 1, 1)]
    put(mill, bare)
    mill.grind()
    assert mill.way_back().codes == {}, "its number is counted"


def test_a_status_keeps_doing_without_a_number(mill: Mill) -> None:
    status = encode("web-1/A", None, START, ProducerStatus(spooled=3, acknowledged=3))
    was = rejection(status, RejectCode.JOB_FAULT, record_type="producer_status.v1")
    put(mill, reject_event(was, stage=Stage.STREAM_JOB, source="web-1/A", sequence=9, time=START))
    mill.grind()
    mill.way_back()
    back = decode(on_events(mill, after=1)[0])
    assert isinstance(back, Event)
    assert (back.type, back.sequence) == ("producer_status.v1", None)


def test_numbers_that_were_written_off_stay_written_off(mill: Mill, query: Query) -> None:
    put(mill, spoiled(1))
    mill.grind()
    query("UPDATE ledger_ranges SET fate = 'written_off' RETURNING 1")
    assert mill.way_back(mend=heal).codes == {}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(codes=("not_json",)), ["not_json"]),
        (Wanted(types=("web_access.v1",)), ["wrong_type"]),
        (Wanted(stages=("stream_job",)), ["not_json", "wrong_type"]),
        (Wanted(stages=("transform",)), []),
        (Wanted(sources=("web-1/A",)), ["wrong_type"]),
        (Wanted(sources=("web-1",)), []),
        (Wanted(since=START), ["not_json", "wrong_type"]),
        (Wanted(until=START), []),
    ],
)
def test_filters_choose(mill: Mill, wanted: Wanted, found: list[str]) -> None:
    put(mill, spoiled(1), b"garbage")
    mill.grind()
    assert sorted(mill.way_back(dry_run=True, wanted=wanted).codes) == found


def test_a_limit_takes_the_oldest(mill: Mill) -> None:
    for number in (3, 1, 2):
        put(mill, spoiled(number))
        mill.grind()
    assert mill.way_back(mend=heal, limit=2).put == 2
    mill.grind()
    assert mill.state()["ranges"][0] == ("web-1/A", "counted", 1, 1)
    assert mill.state()["ranges"][1] == ("web-1/A", "counted", 3, 3)


def test_more_candidates_than_one_page_and_one_request_hold_all_go_back(mill: Mill, query: Query) -> None:
    put(mill, *map(spoiled, range(1, 701)))
    mill.grind()
    assert mill.way_back(mend=heal).put == 700
    assert query("SELECT COUNT(*) FROM rejects WHERE replayed_at IS NULL") == [(0,)]
    mill.grind()
    assert mill.state()["ranges"] == [("web-1/A", "counted", 1, 700)]


def test_entries_that_fail_are_put_again_and_the_others_once(mill: Mill) -> None:
    put(mill, *map(spoiled, range(1, 6)))
    mill.grind()
    mill.kinesis.faults.script("PutRecords", FailRecords(frozenset({1, 3})), FailRecords())
    assert mill.way_back(mend=heal).put == 5
    assert len(on_events(mill, after=5)) == 5


def test_a_refusal_ends_the_run_and_what_was_taken_is_marked(mill: Mill, query: Query) -> None:
    put(mill, *map(spoiled, range(1, 6)))
    mill.grind()
    mill.kinesis.faults.script("PutRecords", FailRecords(frozenset({2}), code="KMSAccessDeniedException"))
    with pytest.raises(KinesisRefused, match="KMSAccessDenied"):
        mill.way_back(mend=heal)
    assert query("SELECT COUNT(*) FROM rejects WHERE replayed_at IS NULL") == [(1,)]


def test_a_stop_is_heeded_between_two_requests_and_what_was_taken_is_marked(mill: Mill, query: Query) -> None:
    put(mill, *map(spoiled, range(1, 601)))
    mill.grind()
    stop = Shutdown()
    summary = mill.way_back(mend=heal, stop=stop, probe=lambda _: stop.request("the person has had enough"))
    assert summary.interrupted
    assert summary.put == 500
    assert query("SELECT COUNT(*) FROM rejects WHERE replayed_at IS NULL") == [(100,)]


def test_a_record_that_the_stream_does_not_take_stays(mill: Mill) -> None:
    put(mill, spoiled(1))
    mill.grind()
    summary = mill.way_back(mend=lambda record: heal(record)[:-1] + b',"note":"' + b"x" * (1 << 20) + b'"}')
    assert summary.codes["wrong_type"].still_bad == {"too_large": 1}


def test_the_error_archive_gives_what_the_warehouse_lacks_and_nothing_twice(
    mill: Mill, bucket: Bucket, query: Query
) -> None:
    def line(raw: bytes, source: str, number: int) -> bytes:
        was = rejection(raw, RejectCode.JOB_FAULT, source=source, sequence=number)
        event = reject_event(was, stage=Stage.TRANSFORM, source=source, sequence=number, time=START)
        return event + b"\n"

    known, unknown = line(access(1), "web-1/A", 1), line(access(2), "web-1/A", 2)
    put(mill, known.strip(), access(3))
    mill.grind()
    counted = line(access(3), "web-1/A", 3)
    nameless = line(access(4), "unnumbered/" + "0" * 64, 1)
    bucket["errors/code=job_fault/date=2026-11-21/a"] = known + unknown + unknown + b"\xff{\n" + counted
    bucket["errors/code=job_fault/date=2026-11-21/b"] = unknown + nameless
    summary = mill.way_back(bucket)
    assert (summary.put, summary.unreadable_lines) == (3, 1)
    assert mill.way_back(bucket).put == 0, "what only the archive knew is a row now, and marked"
    mill.grind()
    source = f"replay/{reject_id(access(4), RejectCode.JOB_FAULT)}"
    assert mill.state()["ranges"] == [(source, "counted", 1, 1), ("web-1/A", "counted", 1, 3)]
    assert query("SELECT SUM(seen), COUNT(*) FROM rejects") == [(1, 3)]


def test_what_delivery_failed_on_goes_back_unchanged_and_changes_no_number(
    mill: Mill, bucket: Bucket
) -> None:
    inside = [access(1), spoiled(2)]
    together = aggregate([UserRecord("k", None, raw) for raw in inside])
    put(mill, together, access(3))
    mill.grind()
    before = mill.state()
    bucket[FAILED] = failed_line(together) + failed_line(access(3))[:40] + b"\n" + failed_line(access(4))
    summary = mill.way_back(bucket, origins=[Origin.FAILED])
    assert summary.unreadable_lines == 1
    assert sorted(on_events(mill, after=2)) == sorted([*inside, access(4)])
    mill.grind()
    after = mill.state()
    assert after["ranges"] == [
        ("web-1/A", "counted", 1, 1),
        ("web-1/A", "counted", 3, 4),
        ("web-1/A", "rejected", 2, 2),
    ]
    assert before["windows"][0][2] + 1 == after["windows"][0][2]
    assert mill.way_back(bucket, origins=[Origin.FAILED]).put == 0
    assert mill.way_back(bucket, origins=[Origin.FAILED], wanted=Wanted(again=True)).put == 3


def test_what_delivery_of_errors_failed_on_goes_back_to_errors(mill: Mill, bucket: Bucket) -> None:
    bucket["failed/errors/format-conversion-failed/2026/11/21/a"] = failed_line(b"a reject")
    mill.way_back(bucket)
    assert [record.data for record in mill.kinesis.records("errors")] == [b"a reject"]
    assert on_events(mill) == []


def too_long(mill: Mill, raw: bytes, **reject: Any) -> None:
    """A reject on the stream that has only the head of `raw`."""
    was = rejection(raw, RejectCode.JOB_FAULT, source="web-1/A", sequence=6)
    put(mill, reject_event(was, stage=Stage.PRODUCER, source="web-1/A", sequence=6, time=START, **reject))


LONG = access(6)[:-1] + b',"note":"' + b"x" * (600 << 10) + b'"}'


@pytest.mark.parametrize("where", ["quarantine", "failed", "stream"])
def test_the_whole_of_a_long_record_is_found_where_it_was_kept(
    mill: Mill, bucket: Bucket, tmp_path: Path, where: str
) -> None:
    place = "/nowhere/at/all"
    if where == "quarantine":
        place = str(tmp_path / f"{sha256(LONG).hexdigest()}.raw")
        Path(place).write_bytes(LONG)
    if where == "failed":
        bucket[FAILED] = failed_line(b"another") + failed_line(
            aggregate([UserRecord("k", None, raw) for raw in (access(1), LONG)])
        )
    if where == "stream":
        data = aggregate([UserRecord("k", None, raw) for raw in (access(1), LONG)])
        record = mill.kinesis.put("events", data)
        shard = next(s for s in mill.kinesis.stream().shards.values() if record in s.records)
        place = f"kinesis:{shard.shard_id}/{record.sequence}"
        mill.taken = 1
        mill.kinesis.faults.script("GetRecords", Refuse("ProvisionedThroughputExceededException", 400))
    too_long(mill, LONG, place=place)
    mill.grind()
    assert mill.way_back(bucket, origins=[Origin.WAREHOUSE]).put == 1
    assert mill.kinesis.records()[-1].data.startswith(LONG[:-1])


def test_a_file_of_other_content_is_not_the_whole_record(mill: Mill, tmp_path: Path) -> None:
    place = tmp_path / "other.raw"
    place.write_bytes(b"y" * len(LONG))
    too_long(mill, LONG, place=str(place))
    mill.grind()
    summary = mill.way_back()
    assert summary.codes["job_fault"].unreachable == 1
    assert str(place) in summary.troubles[0]
