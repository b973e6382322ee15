"""A table with a column of every type, and values on the edges of each."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from headrace.schemas import tables
from headrace.schemas.tables import Column, Table
from tests.warehouse.simulation import START

EVERY_TYPE = Table(
    "every_type",
    tuple(
        Column(name, type_, nullable=True)
        for name, type_ in {
            "t": tables.text(1_000),
            "b": tables.BIGINT,
            "i": tables.INT,
            "s": tables.SMALLINT,
            "n": tables.decimal(38, 0),
            "m": tables.decimal(18, 4),
            "f": tables.DOUBLE,
            "o": tables.BOOLEAN,
            "d": tables.DATE,
            "at": tables.TIMESTAMP,
            "x": tables.binary(1_000),
        }.items()
    ),
)
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, 59, 999_999, UTC)
EDGES: list[tuple[object, ...]] = [
    ("", 0, 0, 0, Decimal(0), Decimal("0.0000"), 0.0, False, START.date(), START, b""),
    ("it's 100 %s\t\\N\n€", -(2**63), -(2**31), -(2**15), Decimal(-(10**38) + 1), Decimal("-0.0001"),
     -1e-300, True, LAST.date(), LAST, bytes(range(256))),
    ("x" * 1_000, 2**63 - 1, 2**31 - 1, 2**15 - 1, Decimal(10**38 - 1), Decimal("99999999999999.9999"),
     1.7976931348623157e308, True, FIRST.date(), FIRST, b"\0"),
    (None,) * 11,
]  # fmt: skip


def whole(digits: int) -> st.SearchStrategy[Decimal]:
    return st.integers(-(10**digits) + 1, 10**digits - 1).map(Decimal)


_VALUES = (
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=250),
    *(st.integers(-(2**bits), 2**bits - 1) for bits in (63, 31, 15)),
    whole(38),
    whole(18).map(lambda number: number.scaleb(-4)),
    st.floats(allow_nan=False),
    st.booleans(),
    st.dates(FIRST.date(), LAST.date()),
    st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC)),
    st.binary(),
)
ROWS = st.lists(st.tuples(*(st.none() | values for values in _VALUES)), max_size=8)
