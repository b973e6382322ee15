from hypothesis import given
from hypothesis import strategies as st

from producers.spool.entry import HEADER_BYTES, Damaged, Entry, Run, Stop, encode, scan

SYNC = b"\x01\x02\x03\x04"
bodies = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=60)), min_size=1, max_size=8)


def joined(body: list[tuple[bytes, bytes]], first: int = 7) -> bytes:
    return b"".join(encode(SYNC, first, [p for p, _ in body], [r for _, r in body]))


@given(bodies)
def test_what_is_encoded_is_scanned_back(body: list[tuple[bytes, bytes]]) -> None:
    block = joined(body)
    run = Run(7, [p for p, _ in body], [r for _, r in body])
    assert scan(block, SYNC) == ([run], len(block), Stop.COMPLETE)
    assert run.entries() == [Entry(7 + n, p, r) for n, (p, r) in enumerate(body)]
    assert run.number == 6 + len(body)


@given(bodies, st.integers(0, 16))
def test_of_a_run_what_follows_a_number_can_be_taken(body: list[tuple[bytes, bytes]], number: int) -> None:
    run = Run(7, [p for p, _ in body], [r for _, r in body])
    assert run.after(number).entries() == [entry for entry in run.entries() if entry.number > number]


def test_entries_that_skip_a_number_are_two_runs() -> None:
    block = joined([(b"", b"a"), (b"", b"b")]) + joined([(b"", b"c")], first=12)
    assert scan(block, SYNC).found == [Run(7, [b"", b""], [b"a", b"b"]), Run(12, [b""], [b"c"])]


@given(bodies, st.data())
def test_a_flipped_byte_damages_one_entry_and_no_other(
    body: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    block = bytearray(joined(body))
    at = data.draw(st.integers(0, len(block) - 1))
    block[at] ^= data.draw(st.integers(1, 255))
    found = scan(bytes(block), SYNC).found
    intact = {entry.number: entry for run in found if isinstance(run, Run) for entry in run.entries()}
    sizes = [HEADER_BYTES + len(p) + len(r) for p, r in body]
    hit = next(n for n in range(len(body)) if at < sum(sizes[: n + 1]))
    assert intact == {7 + n: Entry(7 + n, p, r) for n, (p, r) in enumerate(body) if n != hit}


@given(bodies, st.data())
def test_cut_at_any_byte_the_whole_entries_before_the_cut_are_found(
    body: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    block = joined(body)
    cut = data.draw(st.integers(0, len(block) - 1))
    found, end, stop = scan(block[:cut], SYNC)
    assert found == scan(block[:end], SYNC).found
    assert stop is (Stop.COMPLETE if end == cut else Stop.SHORT)


def test_a_record_that_imitates_an_entry_is_not_taken_for_one_while_headers_hold() -> None:
    forged = b"".join(encode(SYNC, 99, [b""], [b"forged"]))
    assert scan(joined([(b"", forged), (b"", b"x")]), SYNC).found == [Run(7, [b"", b""], [forged, b"x"])]


def test_zeros_at_the_end_are_damage_and_not_an_entry_cut_short() -> None:
    assert scan(joined([(b"", b"x")]) + bytes(100), SYNC).stop is Stop.LOST


def test_a_damaged_header_before_a_good_one_leaves_its_bytes() -> None:
    block = bytearray(joined([(b"", b"first"), (b"", b"second")]))
    block[9] ^= 1
    found = scan(bytes(block), SYNC).found
    assert found == [Damaged(0, bytes(block[: HEADER_BYTES + 5])), Run(8, [b""], [b"second"])]
