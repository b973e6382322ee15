"""The tables beside the windowed ones: ledger, batches, progress, rejects, archive."""

from enum import StrEnum

from headrace.schemas.tables import BIGINT, BOOLEAN, DOUBLE, INT, TIMESTAMP, Column, Table, binary, text
from headrace.warehouse.batch_tables import BATCH_TABLES

SOURCE = text(256)
SHARD = text(128)
LONG_TEXT = text(65_535)
MAX_RAW_BYTES = 512 * 1024


class Fate(StrEnum):
    """What became of a sequence number; every number has at most one fate."""

    COUNTED = "counted"
    REJECTED = "rejected"
    WRITTEN_OFF = "written_off"


WRITER_LOCK = Table(
    "writer_lock",
    (Column("unused", INT, nullable=True, description="The table is only ever locked"),),
    description="Every writer locks it first, so that writers take turns and readers never wait.",
)

LOCK_WRITERS = "LOCK TABLE writer_lock"
"""First in every writing transaction: Redshift takes its snapshot at the first statement."""

LEDGER_VERSION = Table(
    "ledger_version",
    (Column("version", BIGINT, description="Moves with every change of ledger_ranges"),),
    description="One row: lets a writer see under the lock that the ranges it read still stand.",
)

LEDGER_RANGES = Table(
    "ledger_ranges",
    (
        Column("source", SOURCE, description="One life of one producer's spool"),
        Column("fate", text(16), description="counted, rejected or written_off"),
        Column("first_number", BIGINT, description="First sequence number of the range"),
        Column("last_number", BIGINT, description="Last sequence number of the range, inclusive"),
    ),
    sort_key=("source", "first_number"),
    dist_key="source",
    description="Which sequence numbers have arrived, and what became of them.",
)

LEDGER_SOURCES = Table(
    "ledger_sources",
    (
        Column("source", SOURCE, description="One life of one producer's spool"),
        Column("highest", BIGINT, description="Highest number that arrived, in a range or too scattered"),
        Column("duplicates_dropped", BIGINT, description="Copies of numbers that had a fate already"),
        Column("spooled", BIGINT, description="Highest number the producer says it has given out"),
        Column("acknowledged", BIGINT, description="Up to here the stream has confirmed every number"),
        Column("closed", BOOLEAN, description="The producer will give out no further number"),
        Column("status_at", TIMESTAMP, nullable=True, description="Arrival of the last status; NULL: none"),
        Column("replayed", BIGINT, description="Rejected numbers that were replayed and counted since"),
        Column("updated_at", TIMESTAMP, description="When a batch last changed the row"),
    ),
    sort_key=("source",),
    dist_key="source",
    description="What producers say about themselves, and the duplicates they sent.",
)

LEDGER_TYPES = Table(
    "ledger_types",
    (
        Column("record_type", text(256), description="The record type, with its version"),
        Column("records", BIGINT, description="Good records counted"),
    ),
    sort_key=("record_type",),
    description="Good records per record type: what every windowed output must add up to.",
)

LEDGER_OUTPUTS = Table(
    "ledger_outputs",
    (
        Column("output", text(256), description="The windowed output"),
        Column("record_type", text(256), description="The record type that it windows"),
        Column("records_at_birth", BIGINT, description="Records of the type that came before the output"),
        Column("born_at", TIMESTAMP, description="When a job first wrote it"),
        Column("retired", BOOLEAN, description="The job in charge no longer writes the output"),
    ),
    sort_key=("output",),
    description="Since which record of its type each windowed output has been written.",
)

LEDGER_WRITE_OFFS = Table(
    "ledger_write_offs",
    (
        Column("source", SOURCE, description="The source that lost them"),
        Column("first_number", BIGINT, description="First sequence number of the range"),
        Column("last_number", BIGINT, description="Last sequence number of the range, inclusive"),
        Column("reason", text(4096), description="Why, in the operator's words"),
        Column("booked_at", TIMESTAMP, description="When it was booked"),
    ),
    sort_key=("source",),
    description="Journal of numbers that an operator declared lost; ledger_ranges has the effect.",
)

BATCHES = Table(
    "batches",
    (
        Column("stream", text(256), description="The stream's name and creation"),
        Column("query_id", text(256), description="Spark's id of the query, which outlives restarts"),
        Column("batch_id", BIGINT, description="Spark's number of the batch in the query"),
        Column("end_positions", LONG_TEXT, description="Offsets as JSON, or their SHA-256 when too long"),
        Column("epoch", BIGINT, description="The epoch of the job that committed it"),
        Column("counted", BIGINT, description="Good records"),
        Column("rejected", BIGINT, description="Rejected records"),
        Column("dropped", BIGINT, description="Copies dropped"),
        Column("committed_at", TIMESTAMP, description="When, by the job's clock"),
    ),
    sort_key=("query_id", "batch_id"),
    description="Every committed batch: what makes a replay change nothing.",
)

SHARD_PROGRESS = Table(
    "shard_progress",
    (
        Column("stream", text(256), description="The stream's name and creation"),
        Column("shard", SHARD, description="The Kinesis shard"),
        Column(
            "read_position", SHARD, description="Sequence number of the last record read; '' before the first"
        ),
        Column("frontier", TIMESTAMP, description="Everything that arrived before it has been read"),
        Column("closed", BOOLEAN, description="Closed by a split or merge, and drained"),
        Column("parent", SHARD, description="The shard it came from, or ''"),
        Column("adjacent_parent", SHARD, description="The other shard of a merge, or ''"),
        Column("updated_at", TIMESTAMP, description="When a batch last changed the row"),
    ),
    sort_key=("stream",),
    description="How far each shard has been committed.",
)

EPOCHS = Table(
    "epochs",
    (
        Column("stream", text(256), description="The stream's name and creation"),
        Column("epoch", BIGINT, description="Only the job that took the newest may commit"),
        Column("taken_at", TIMESTAMP, description="When, by the job's clock"),
    ),
    sort_key=("stream",),
    description="The job in charge of each stream: an older epoch's commit fails.",
)

REJECTS = Table(
    "rejects",
    (
        Column("id", text(64), description="SHA-256 of the raw bytes and the code, hex"),
        Column("stage", text(256), description="Where it was rejected; of several stages all, by comma"),
        Column("code", text(64), description="Why: one of the closed list of reject codes"),
        Column("record_type", text(256), nullable=True, description="The record's type, where readable"),
        Column("source", SOURCE, nullable=True, description="Where readable"),
        Column("sequence", BIGINT, nullable=True, description="Where readable"),
        Column("errors", LONG_TEXT, description="Every error of the record with its path, JSON"),
        Column("raw", binary(MAX_RAW_BYTES), description="The bytes as received, or their head"),
        Column("raw_length", BIGINT, description="Length of the whole, in bytes"),
        Column("raw_sha256", text(64), description="Of the whole, hex"),
        Column("raw_place", text(4096), nullable=True, description="Where the whole is kept, if not here"),
        Column(
            "shard",
            SHARD,
            nullable=True,
            description="The Kinesis shard it was read from; NULL: a producer rejected it",
        ),
        Column("shard_sequence", SHARD, nullable=True, description="Its sequence number in that shard"),
        Column("first_seen", TIMESTAMP, description="When it was first met"),
        Column("last_seen", TIMESTAMP, description="When it was last met"),
        Column(
            "seen", BIGINT, description="Copies that the stream job has met on `events`; of loan files, lines"
        ),
        Column("seen_on_errors", BIGINT, description="Copies that the error desk has met on `errors`"),
        Column("replayed_at", TIMESTAMP, nullable=True, description="When it was last put back; NULL: never"),
    ),
    sort_key=("first_seen",),
    lookup_key="id",
    description="Every rejected record, whole, with its reason; one row per id.",
)

DESK_PROGRESS = Table(
    "desk_progress",
    (
        Column("stream", text(256), description="The stream's name and creation"),
        Column("shard", SHARD, description="The Kinesis shard"),
        Column("read_position", SHARD, description="Sequence number of the last Kinesis record merged"),
        Column("sub_position", BIGINT, description="The last of that record's user records, from 0"),
        Column("updated_at", TIMESTAMP, description="When the error desk last changed the row"),
    ),
    sort_key=("stream",),
    description="How far the error desk has merged `errors`: what makes a second delivery change nothing.",
)

TYPE_MINUTES = Table(
    "type_minutes",
    (
        Column("record_type", text(256), description="The record type; '' where unreadable or not declared"),
        Column(
            "arrival_minute", TIMESTAMP, description="The minute in which the records arrived in the stream"
        ),
        Column("counted", BIGINT, description="Good records that arrived in it"),
        Column("rejected", BIGINT, description="Rejected records that arrived in it"),
    ),
    sort_key=("arrival_minute",),
    description="What arrived per type and minute, for a day: what the breaker judges by.",
)

BREAKERS = Table(
    "breakers",
    (
        Column("record_type", text(256), description="The record type; '' where unreadable or not declared"),
        Column("opened_at", TIMESTAMP, description="The frontier at which the share was above the limit"),
        Column("closed_at", TIMESTAMP, nullable=True, description="Below half of it again; NULL: open"),
        Column("counted", BIGINT, description="Good records of the five minutes that opened it"),
        Column("rejected", BIGINT, description="Rejected records of the five minutes that opened it"),
        Column("limit_share", DOUBLE, description="The limit that was in force"),
    ),
    sort_key=("opened_at",),
    description="Every time that too large a share of a type's records was rejected.",
)

REPLAYED_LINES = Table(
    "replayed_lines",
    (
        Column("object_key", text(1024), description="An object of the archive's error prefixes"),
        Column("line", BIGINT, description="A line of it, from 0"),
        Column("replayed_at", TIMESTAMP, description="When its record was put back on the stream"),
    ),
    sort_key=("object_key",),
    description="What of the delivery's own error objects has been put back.",
)

ARCHIVE_OBJECTS = Table(
    "archive_objects",
    (
        Column("object_key", text(1024), description="An object of the archive"),
        Column("etag", text(128), description="Its S3 ETag"),
        Column("records", BIGINT, description="Numbered records in it"),
        Column("read_at", TIMESTAMP, description="When reconcile read it"),
    ),
    sort_key=("object_key",),
    description="The objects that reconcile has read, so that it reads each once.",
)

ARCHIVE_RANGES = Table(
    "archive_ranges",
    (
        Column("source", SOURCE, description="One life of one producer's spool"),
        Column("first_number", BIGINT, description="First sequence number of the range"),
        Column("last_number", BIGINT, description="Last sequence number of the range, inclusive"),
    ),
    sort_key=("source", "first_number"),
    dist_key="source",
    description="The numbers that the archive holds.",
)

ARCHIVE_GAPS = Table(
    "archive_gaps",
    (
        Column("source", SOURCE, description="One life of one producer's spool"),
        Column("first_number", BIGINT, description="First sequence number of the range"),
        Column("last_number", BIGINT, description="Last sequence number of the range, inclusive"),
        Column("noticed_at", TIMESTAMP, description="When reconcile first missed it in the archive"),
    ),
    sort_key=("source", "first_number"),
    description="Counted numbers that the archive did not hold: in flight until the buffers are due.",
)

SYSTEM_TABLES = (
    WRITER_LOCK,
    LEDGER_VERSION,
    LEDGER_RANGES,
    LEDGER_SOURCES,
    LEDGER_TYPES,
    LEDGER_OUTPUTS,
    LEDGER_WRITE_OFFS,
    BATCHES,
    SHARD_PROGRESS,
    EPOCHS,
    REJECTS,
    DESK_PROGRESS,
    TYPE_MINUTES,
    BREAKERS,
    REPLAYED_LINES,
    ARCHIVE_OBJECTS,
    ARCHIVE_RANGES,
    ARCHIVE_GAPS,
    *BATCH_TABLES,
)
