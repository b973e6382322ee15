"""Hypothesis strategies for tables of every shape that the model allows."""

from hypothesis import strategies as st

from headrace.schemas import tables
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.reserved_words import RESERVED_WORDS
from headrace.schemas.tables import Column, Table

DECLARED = [
    table
    for output in OUTPUTS.values()
    for table in (output.table(), output.parts_table())
    if table is not None
]

names = st.one_of(
    st.from_regex(r"[a-z_][a-z0-9_]{0,62}", fullmatch=True),
    st.sampled_from(sorted(word for word in RESERVED_WORDS if word.isidentifier())),
)
column_types = st.one_of(
    st.sampled_from(
        [
            tables.BIGINT,
            tables.INT,
            tables.SMALLINT,
            tables.DOUBLE,
            tables.BOOLEAN,
            tables.DATE,
            tables.TIMESTAMP,
        ]
    ),
    st.builds(tables.text, st.integers(1, tables.MAX_TEXT_BYTES)),
    st.builds(tables.binary, st.integers(1, tables.MAX_BINARY_BYTES)),
    st.integers(1, 38).flatmap(
        lambda precision: st.builds(tables.decimal, st.just(precision), st.integers(0, precision))
    ),
)


@st.composite
def any_table(draw: st.DrawFn) -> Table:
    columns = draw(
        st.lists(
            st.builds(Column, names, column_types, nullable=st.booleans(), description=st.text(max_size=5)),
            min_size=1,
            max_size=6,
            unique_by=lambda column: column.name,
        )
    )
    column_names = [column.name for column in columns]
    return Table(
        name=draw(names),
        columns=tuple(columns),
        sort_key=tuple(draw(st.lists(st.sampled_from(column_names), unique=True, max_size=3))),
        dist_key=draw(st.one_of(st.none(), st.sampled_from(column_names))),
        lookup_key=draw(st.one_of(st.none(), st.sampled_from(column_names))),
    )
