"""Any bytes on `errors` become a row that the table takes."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.warehouse.desk import Position
from headrace.warehouse.staging import check_unique, conform, harmless
from headrace.warehouse.system_tables import REJECTS
from stream_jobs.error_desk.rows import Delivered, placed
from stream_jobs.fold.reject_rows import fold_by_id
from tests.stream_jobs.error_desk.rejects import misplaced, rejected, unreadable

GOOD = [rejected(1), unreadable(b"\x00\xff"), misplaced()]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A good record with some bytes replaced, cut out or put in."""
    data = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@given(st.lists(st.binary() | mangled(), min_size=1, max_size=8))
def test_whatever_arrives_becomes_rows_and_every_copy_is_counted(contents: list[bytes]) -> None:
    records = [
        Delivered(Position.of(str(number), 0), data, 1_795_262_400_000_000)
        for number, data in enumerate(contents)
    ]
    table = fold_by_id(placed("shardId-000000000000", record).row for record in records)
    rows = harmless(REJECTS, conform(REJECTS, table))
    check_unique(REJECTS, rows, ["id"])
    assert sum(rows["seen_on_errors"].to_pylist()) == len(contents)
    assert set(rows["seen"].to_pylist()) == {0}
    assert set(rows["stage"].to_pylist()) <= {"error_desk", "transform"}


def test_a_fault_of_the_codec_costs_one_record() -> None:
    def fail(_raw: bytes) -> None:
        raise RecursionError("a bug of ours")

    record = Delivered(Position.of("1", 0), b"{}", 0)
    row = placed("shardId-000000000000", record, decode=fail).row  # type: ignore[arg-type]
    assert (row["stage"], row["code"], row["raw"]) == ("error_desk", "job_fault", b"{}")
