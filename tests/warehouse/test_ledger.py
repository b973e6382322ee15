from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import WarehouseRefused
from headrace.warehouse.batch import Exclusions
from headrace.warehouse.ledger import SourceLedger, check_refold, exclusions, settled
from headrace.warehouse.ranges import RangeSet
from tests.warehouse.simulation import Rec, bad, fold_of, good

ranges = RangeSet.of


def wanted(ledger: SourceLedger, records: list[Rec], max_ranges: int = 100) -> Exclusions:
    return exclusions({"s": ledger}, fold_of(records)(Exclusions()), max_ranges=max_ranges)


def test_new_numbers_in_one_partition_need_no_exclusions() -> None:
    assert not wanted(SourceLedger(ranges((1, 5))), good(6, 7) + bad(8))


def test_a_counted_number_is_a_duplicate_good_or_bad() -> None:
    found = wanted(SourceLedger(counted=ranges((1, 5))), good(4, 6) + bad(5, 7, partition=1))
    assert found.duplicates == {("s", None): ranges((4, 5))}


def test_a_rejected_number_may_still_be_counted() -> None:
    assert not wanted(SourceLedger(rejected=ranges((1, 5))), good(3))


def test_of_copies_the_lowest_partition_stays() -> None:
    found = wanted(SourceLedger(), good(1, 2, partition=1) + good(2, 3, partition=0) + good(2, partition=2))
    assert found.duplicates == {("s", 1): ranges((2, 2)), ("s", 2): ranges((2, 2))}


def test_of_copies_a_good_one_stays_wherever_it_is() -> None:
    found = wanted(SourceLedger(), bad(2, partition=0) + good(2, partition=1) + bad(2, partition=2))
    assert found.duplicates == {("s", 0): ranges((2, 2)), ("s", 2): ranges((2, 2))}


def test_a_replayed_good_record_moves_from_rejected_to_counted() -> None:
    after = SourceLedger(ranges((1, 4)), ranges((5, 9))).settle(ranges((6, 6)), RangeSet())
    assert after == SourceLedger(ranges((1, 4), (6, 6)), ranges((5, 5), (7, 9)))


def test_a_written_off_number_that_arrives_leaves_that_column() -> None:
    after = SourceLedger(written_off=ranges((1, 9))).settle(ranges((2, 2)), ranges((4, 4)))
    assert after == SourceLedger(ranges((2, 2)), ranges((4, 4)), ranges((1, 1), (3, 3), (5, 9)))


def test_a_source_with_too_many_ranges_may_only_extend_them() -> None:
    full = SourceLedger(counted=ranges((1, 1), (11, 11), (21, 21)))
    found = wanted(full, good(2, 15, 22, 23, 30), max_ranges=3)
    assert found.too_scattered == {"s": ranges((15, 15), (30, 30))}
    roomy = wanted(full, good(2, 15, 30), max_ranges=5)
    assert roomy.too_scattered == {"s": ranges((30, 30))}


def test_a_scattered_bad_number_stays_out_of_the_ranges() -> None:
    full = SourceLedger(rejected=ranges((1, 1), (11, 11)))
    batch = fold_of(bad(2, 15, 30))(Exclusions())
    assert settled({"s": full}, batch, max_ranges=2) == {"s": SourceLedger(rejected=ranges((1, 2), (11, 11)))}


def test_a_number_that_is_good_and_bad_in_one_place_is_a_fault() -> None:
    batch = replace(fold_of(good(1))(Exclusions()), rejected={("s", 0): ranges((1, 1))})
    with pytest.raises(WarehouseRefused, match="both"):
        exclusions({}, batch)


def test_a_second_fold_that_leaves_out_less_or_more_is_a_fault() -> None:
    fold = fold_of(good(1, 2) + good(2, 3, partition=1) + good(4, source="t"))
    first = fold(Exclusions())
    told = exclusions({}, first)
    check_refold(first, told, fold(told))
    too_much = Exclusions({**told.duplicates, ("t", None): ranges((4, 4))})
    for wrong in (first, fold(too_much)):
        with pytest.raises(WarehouseRefused, match="did not leave out"):
            check_refold(first, told, wrong)


copies = st.lists(
    st.builds(
        Rec,
        source=st.sampled_from(["a", "b"]),
        number=st.integers(1, 12),
        good=st.booleans(),
        partition=st.integers(0, 2),
    ),
    max_size=30,
)


@given(copies, st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12)), st.integers(1, 8))
def test_a_fold_that_obeys_needs_no_second_word_and_ranges_stay_bounded(
    records: list[Rec], counted: set[int], rejected: set[int], max_ranges: int
) -> None:
    known = SourceLedger(RangeSet.from_numbers(counted), RangeSet.from_numbers(rejected - counted))
    ledger, fold = {"a": known}, fold_of(records)
    told = exclusions(ledger, fold(Exclusions()), max_ranges=max_ranges)
    folded = fold(told)
    check_refold(fold(Exclusions()), told, folded)
    assert not exclusions(ledger, folded, max_ranges=max_ranges)
    for source, state in settled(ledger, folded, max_ranges=max_ranges).items():
        before = ledger.get(source, SourceLedger()).range_count
        assert state.range_count <= max(max_ranges, before)
        assert not state.counted & state.rejected
    everything = {
        (r.source, r.number) for r in records if r.good and not (r.source == "a" and r.number in counted)
    }
    scattered = sum(r.size for r in told.too_scattered.values())
    assert sum(r.size for r in folded.counted.values()) + scattered == len(everything)
