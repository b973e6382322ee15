"""The tables that the loads of loan files keep beside what they load."""

from headrace.schemas.tables import BIGINT, INT, TIMESTAMP, Column, Table, text

_INPUT_NAME = Column("input_name", text(1024), description="The loan file, as it was taken")
_INPUT_SHA256 = Column("input_sha256", text(64), description="SHA-256 of its bytes, hex")

BATCH_LOCK = Table(
    "batch_lock",
    (Column("unused", INT, nullable=True, description="The table is only ever locked"),),
    description="Every load of a vintage locks it first: minutes, in which writer_lock must stay free.",
)

BATCH_LOADS = Table(
    "batch_loads",
    (
        Column("table_name", text(63), description="The table that was loaded"),
        Column("vintage", text(6), description="Quarter of origination, 2005Q1; 2005 in a sample of a year"),
        _INPUT_NAME,
        _INPUT_SHA256,
        Column("rows_in", BIGINT, description="Lines of the file"),
        Column("rows_loaded", BIGINT, description="Rows of the vintage in the table"),
        Column("rejected", BIGINT, description="Lines that were rejected: the rest of rows_in"),
        Column("loaded_at", TIMESTAMP, description="When it was loaded"),
    ),
    sort_key=("table_name", "vintage"),
    description="Which file each vintage of a table holds now: what makes a second load change nothing.",
)

BATCH_REJECTS = Table(
    "batch_rejects",
    (
        _INPUT_SHA256,
        _INPUT_NAME,
        Column("rejected", BIGINT, description="Its rejected lines, all of them merged into rejects"),
        Column("merged_at", TIMESTAMP, description="When they were merged"),
    ),
    sort_key=("input_sha256",),
    description="The loan files whose rejects have been merged: each is counted once, however often loaded.",
)

BATCH_TABLES = (BATCH_LOCK, BATCH_LOADS, BATCH_REJECTS)
