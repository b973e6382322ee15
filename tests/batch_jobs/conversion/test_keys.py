from datetime import date
from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from batch_jobs.conversion.keys import KeyOrder, Repeated

SCHEMA = pa.schema([("loan", pa.string()), ("period", pa.date32()), ("file_line", pa.int64())])
Key = tuple[str, date]

key = st.tuples(st.sampled_from(["A", "B", "C"]), st.dates(date(2005, 1, 1), date(2005, 1, 3)))


def batches(keys: list[Key], cuts: list[int]) -> list[pa.Table]:
    rows = [
        {"loan": loan, "period": period, "file_line": line} for line, (loan, period) in enumerate(keys, 5)
    ]
    ends = sorted({min(cut, len(rows)) for cut in cuts} | {0, len(rows)})
    pieces = [rows[start:end] for start, end in pairwise(ends)]
    return [pa.Table.from_pylist(piece, SCHEMA) for piece in [*pieces, []]]


@given(st.lists(key, max_size=12), st.lists(st.integers(0, 12)), st.booleans())
def test_neighbours_with_one_key_are_one_row_and_a_falling_key_is_seen(
    keys: list[Key], cuts: list[int], in_order: bool
) -> None:
    keys = sorted(keys) if in_order else keys
    order = KeyOrder(["loan", "period"])
    followed = [order.follow(rows) for rows in batches(keys, cuts)]
    assert order.rising == (keys == sorted(keys))
    assert (order.first, order.last) == ((keys[0], keys[-1]) if keys else (None, None))
    if order.rising:
        first = {key: line for line, key in reversed(list(enumerate(keys, 5)))}
        kept = [line for it in followed for line in it.rows["file_line"].to_pylist()]
        repeated = [line for it in followed for line in it.repeated]
        assert kept == sorted(first.values())
        assert repeated == [
            Repeated(line, first[key]) for line, key in enumerate(keys, 5) if line != first[key]
        ]
