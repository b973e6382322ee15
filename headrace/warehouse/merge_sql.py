"""The MERGE text: the two-clause form that Redshift takes and PostgreSQL runs unchanged.

Redshift's grammar allows one WHEN MATCHED THEN UPDATE and one WHEN NOT MATCHED THEN INSERT, no condition on
either, a real table as source, and equality between columns in ON. Source: Amazon Redshift Database Developer
Guide, "MERGE".
"""
# ruff: noqa: S608  every name in the text comes from a declaration, never from data

from collections.abc import Callable, Mapping, Sequence

from headrace.schemas.measures import Distinct
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.reject_codes import Stage
from headrace.schemas.tables import Table
from headrace.schemas.targets.sql import quote
from headrace.warehouse import system_tables as system

Rule = Callable[[str, str], str]
"""Given the target's and the staged column, the expression of the merged value."""

_STAGE_CHARACTERS = (system.REJECTS.column("stage").type.max_bytes or 0) // 4
"""LEFT counts characters, Redshift's VARCHAR bytes, and a character takes at most four."""


def add(target: str, staged: str) -> str:
    """Their sum; neither may be NULL."""
    return f"{target} + {staged}"


def greatest(target: str, staged: str) -> str:
    """The larger one; NULL counts as smaller in both engines."""
    return f"GREATEST({target}, {staged})"


def least(target: str, staged: str) -> str:
    """The smaller one."""
    return f"LEAST({target}, {staged})"


def either(target: str, staged: str) -> str:
    """True when one of them is."""
    return f"({target} OR {staged})"


def replace(target: str, staged: str) -> str:  # noqa: ARG001  one shape for all rules
    """The staged value."""
    return staged


def first_known(target: str, staged: str) -> str:
    """The target's value; the staged one where it has none."""
    return f"COALESCE({target}, {staged})"


def union(target: str, staged: str) -> str:
    """Two comma lists as one without repeats; of two single names the smaller first, whichever came first.

    Of a list only the first names count, as many as there are stages, and the result is cut to what the
    column holds: a stranger's reject may bring any name, and must not stop the stream.
    """
    joined = (
        f"CASE WHEN {target} < {staged} THEN {target}{_missing(staged, target)} "
        f"ELSE {staged}{_missing(target, staged)} END"
    )
    return f"LEFT({joined}, {_STAGE_CHARACTERS})"


def _missing(names: str, known: str) -> str:
    """Text that appends those of `names` that `known` lacks."""
    parts = [f"SPLIT_PART({names}, ',', {number})" for number in range(1, len(Stage) + 1)]
    return "".join(
        f" || CASE WHEN {part} = '' OR POSITION(',' || {part} || ',' IN ',' || {known} || ',') > 0 "
        f"THEN '' ELSE ',' || {part} END"
        for part in parts
    )


def merge(table: Table, stage: str, keys: Sequence[str], rules: Mapping[str, Rule]) -> str:
    """MERGE the rows of `stage`, unique by `keys`, into `table`; a column without a rule keeps its value."""
    target = quote(table.name)
    match = " AND ".join(f"{target}.{quote(key)} = staged.{quote(key)}" for key in keys)
    updates = ", ".join(
        f"{quote(name)} = {rule(f'{target}.{quote(name)}', f'staged.{quote(name)}')}"
        for name, rule in rules.items()
    )
    columns = ", ".join(quote(column.name) for column in table.columns)
    values = ", ".join(f"staged.{quote(column.name)}" for column in table.columns)
    return (
        f"MERGE INTO {target} USING {quote(stage)} AS staged ON {match}\n"
        f"WHEN MATCHED THEN UPDATE SET {updates}\n"
        f"WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})"
    )


def window_keys(output: WindowedOutput) -> tuple[str, ...]:
    """The columns that name one row of the output's table."""
    return ("window_start", *(key.name for key in output.keys))


def part_keys(output: WindowedOutput) -> tuple[str, ...]:
    """The columns that name one row of the output's parts table."""
    return (*window_keys(output), "measure", "part")


def merge_windows(output: WindowedOutput, stage: str) -> str:
    """Add the batch's partial results to the windows; the sketched columns are left to the recomputation."""
    sketched = {measure.name for measure in output.sketched}
    additive = [measure.name for measure in output.measures if measure.name not in sketched]
    rules: dict[str, Rule] = dict.fromkeys((*additive, "records", "late_records"), add)
    return merge(output.table(), stage, window_keys(output), {**rules, "updated_at": replace})


def merge_parts(output: WindowedOutput, parts: Table, stage: str) -> str:
    """Add log buckets; keep the greatest rank of a HyperLogLog register."""
    distinct = sorted({measure.field for measure in output.sketched if isinstance(measure, Distinct)})

    def rule(target: str, staged: str) -> str:
        if not distinct:
            return add(target, staged)
        fields = ", ".join(f"'{field}'" for field in distinct)
        return (
            f"CASE WHEN staged.{quote('measure')} IN ({fields}) "
            f"THEN {greatest(target, staged)} ELSE {add(target, staged)} END"
        )

    return merge(parts, stage, part_keys(output), {"n": rule})


MERGE_RULES: Mapping[str, tuple[tuple[str, ...], Mapping[str, Rule]]] = {
    system.LEDGER_SOURCES.name: (
        ("source",),
        {
            "highest": greatest,
            "duplicates_dropped": add,
            "spooled": greatest,
            "acknowledged": greatest,
            "closed": either,
            "status_at": greatest,
            "replayed": add,
            "updated_at": replace,
        },
    ),
    system.LEDGER_TYPES.name: (("record_type",), {"records": add}),
    system.TYPE_MINUTES.name: (("record_type", "arrival_minute"), {"counted": add, "rejected": add}),
    system.SHARD_PROGRESS.name: (
        ("stream", "shard"),
        {
            "read_position": replace,
            "frontier": greatest,
            "closed": either,
            "parent": replace,
            "adjacent_parent": replace,
            "updated_at": replace,
        },
    ),
    system.ARCHIVE_OBJECTS.name: (
        ("object_key",),
        {"etag": replace, "records": replace, "read_at": replace},
    ),
    system.REPLAYED_LINES.name: (("object_key", "line"), {"replayed_at": replace}),
    system.REJECTS.name: (
        ("id",),
        {
            "stage": union,
            "record_type": first_known,
            "source": first_known,
            "sequence": first_known,
            "raw_place": first_known,
            "shard": first_known,
            "shard_sequence": first_known,
            "first_seen": least,
            "last_seen": greatest,
            "seen": add,
            "seen_on_errors": add,
        },
    ),
}
"""Keys and rules of the system tables that writers merge into; `replayed_at` of a reject is kept."""
