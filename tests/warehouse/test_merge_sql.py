"""Redshift's grammar for MERGE, checked in the text, because PostgreSQL accepts much more."""

import re
from datetime import timedelta

import pytest
import sqlglot
from sqlglot import exp

from headrace.schemas.measures import Distinct, Quantile, Sum
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.records.web_access import WEB_ACCESS
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse import merge_sql, sketch_sql
from headrace.warehouse.system_tables import SYSTEM_TABLES

MIXED = WindowedOutput(
    name="mixed",
    record_type=WEB_ACCESS,
    every=timedelta(minutes=1),
    keys=(),
    measures=(
        Distinct("visitors", "client_address"),
        Quantile("median", "bytes", 0.5),
        Sum("total", "bytes"),
    ),
    description="Both kinds of parts in one table.",
)
ALL = [*OUTPUTS.values(), MIXED]


def statements() -> dict[str, str]:
    found = {f"windows of {o.name}": merge_sql.merge_windows(o, "stage") for o in ALL}
    found |= {
        f"parts of {o.name}": merge_sql.merge_parts(o, parts, "stage")
        for o in ALL
        if (parts := o.parts_table()) is not None
    }
    for table in SYSTEM_TABLES:
        if table.name in merge_sql.MERGE_RULES:
            keys, rules = merge_sql.MERGE_RULES[table.name]
            found[table.name] = merge_sql.merge(table, "stage", keys, rules)
    return found


@pytest.mark.parametrize("text", statements().values(), ids=statements())
def test_merge_is_the_two_clause_form(text: str) -> None:
    pattern = (
        r'MERGE INTO "(?P<target>\w+)" USING "stage" AS staged ON (?P<on>[^\n]+)\n'
        r"WHEN MATCHED THEN UPDATE SET (?P<set>[^\n]+)\n"
        r"WHEN NOT MATCHED THEN INSERT \([^()]+\) VALUES \([^()]+\)"
    )
    found = re.fullmatch(pattern, text)
    assert found is not None
    target = found["target"]
    equality = rf'"{target}"\."(\w+)" = staged\."(\w+)"'
    for term in found["on"].split(" AND "):
        pair = re.fullmatch(equality, term)
        assert pair is not None
        left, right = pair.groups()
        assert left == right
    for keyword in ("SELECT", "WITH", "RETURNING", "DO NOTHING", "WHERE"):
        assert keyword not in text


@pytest.mark.parametrize("text", statements().values(), ids=statements())
@pytest.mark.parametrize("engine", ["redshift", "postgres"])
def test_merge_parses(text: str, engine: str) -> None:
    merge = sqlglot.parse_one(text, dialect=engine)
    assert isinstance(merge, exp.Merge)
    inserted = merge.find(exp.Insert)
    assert inserted is not None
    assert len(inserted.this.expressions) == len(inserted.expression.expressions)


@pytest.mark.parametrize("output", ALL, ids=lambda o: o.name)
@pytest.mark.parametrize("engine", ["redshift", "postgres"])
def test_recomputations_parse_and_touch_only_sketched_columns(output: WindowedOutput, engine: str) -> None:
    parts = output.parts_table()
    if parts is None:
        return
    updated = set()
    for text in sketch_sql.recompute(output, parts, "stage"):
        update = sqlglot.parse_one(text, dialect=engine)
        assert isinstance(update, exp.Update)
        updated |= {assignment.this.name for assignment in update.expressions}
        # Redshift asks for a frame wherever a window has an order.
        assert text.count("ORDER BY part") == text.count("ORDER BY part ROWS UNBOUNDED PRECEDING")
    assert updated == {measure.name for measure in output.sketched}


def test_a_register_keeps_the_greatest_rank_and_a_bucket_adds() -> None:
    parts = MIXED.parts_table()
    assert parts is not None
    text = merge_sql.merge_parts(MIXED, parts, "stage")
    assert (
        "CASE WHEN staged.\"measure\" IN ('client_address') "
        'THEN GREATEST("mixed__parts"."n", staged."n") ELSE "mixed__parts"."n" + staged."n" END'
    ) in text


def test_sums_and_counts_add_and_sketched_columns_are_left_alone() -> None:
    text = merge_sql.merge_windows(MIXED, "stage")
    assert '"total" = "mixed"."total" + staged."total"' in text
    assert '"records" = "mixed"."records" + staged."records"' in text
    assert '"median" =' not in text
    assert '"visitors" =' not in text
