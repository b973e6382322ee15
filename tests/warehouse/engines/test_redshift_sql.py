import re

import pytest
import sqlglot

from headrace.schemas.registry import OUTPUTS
from headrace.schemas.tables import Table
from headrace.schemas.targets.redshift import create_table
from headrace.warehouse.engines import redshift_sql
from headrace.warehouse.preparation import tables
from headrace.warehouse.system_tables import LEDGER_RANGES, TYPE_MINUTES
from headrace.warehouse.views import views

ALL = list(OUTPUTS.values())
ROLE = "arn:aws:iam::123456789012:role/headrace"


@pytest.mark.parametrize("table", tables(ALL), ids=lambda table: table.name)
def test_every_table_has_a_physical_design(table: Table) -> None:
    text = create_table(table)
    assert sqlglot.parse_one(text, dialect="redshift") is not None
    assert ("DISTKEY" in text) == (table.dist_key is not None)
    assert text.count("ENCODE") == len(table.columns)
    for keyword in ("PRIMARY KEY", "UNIQUE", "REFERENCES", "BYTEA"):
        assert keyword not in text


def test_a_stage_copies_exactly_the_files_of_a_manifest_into_a_temporary_table() -> None:
    create, copy = redshift_sql.stage(LEDGER_RANGES, "stage_x", "s3://lake/it's/manifest", ROLE)
    assert create == 'CREATE TEMP TABLE "stage_x" (LIKE "ledger_ranges")'
    assert copy == (
        f"COPY \"stage_x\" FROM 's3://lake/it''s/manifest' IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST"
    )
    for lossy in ("TRUNCATECOLUMNS", "ACCEPTINVCHARS", "MAXERROR"):
        assert lossy not in copy


def test_instants_are_copied_as_plain_times_and_given_their_zone() -> None:
    plain, copy, like, fill, after = redshift_sql.stage(TYPE_MINUTES, "stage_x", "s3://a/b", ROLE)
    assert plain == (
        'CREATE TEMP TABLE "stage_x__plain" ("record_type" VARCHAR(256), "arrival_minute" TIMESTAMP, '
        '"counted" BIGINT, "rejected" BIGINT)'
    )
    assert copy.startswith('COPY "stage_x__plain" FROM ')
    assert like == redshift_sql.create_stage(TYPE_MINUTES, "stage_x")
    assert fill == (
        'INSERT INTO "stage_x" SELECT "record_type", "arrival_minute" AT TIME ZONE \'UTC\', "counted", '
        '"rejected" FROM "stage_x__plain"'
    )
    assert after == 'DROP TABLE "stage_x__plain"'


@pytest.mark.parametrize("text", views(ALL).values(), ids=views(ALL))
def test_views_use_no_word_that_redshift_lacks(text: str) -> None:
    assert sqlglot.parse_one(text, dialect="redshift") is not None
    assert not re.search(r"\b(FILTER|LATERAL|DISTINCT ON|EXISTS|ARRAY)\b|::", text)
