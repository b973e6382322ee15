import re

import pytest
import sqlglot

from headrace.schemas.registry import OUTPUTS
from headrace.schemas.tables import Table
from headrace.warehouse.engines import redshift_sql
from headrace.warehouse.preparation import tables
from headrace.warehouse.views import views

ALL = list(OUTPUTS.values())
ROLE = "arn:aws:iam::123456789012:role/headrace"


@pytest.mark.parametrize("table", tables(ALL), ids=lambda table: table.name)
def test_every_table_has_a_physical_design(table: Table) -> None:
    [text] = redshift_sql.create(table)
    assert sqlglot.parse_one(text, dialect="redshift") is not None
    assert ("DISTKEY" in text) == (table.dist_key is not None)
    assert text.count("ENCODE") == len(table.columns)
    for keyword in ("PRIMARY KEY", "UNIQUE", "REFERENCES", "BYTEA"):
        assert keyword not in text


def test_a_stage_copies_exactly_the_files_of_a_manifest_into_a_temporary_table() -> None:
    table = ALL[0].table()
    drop, create, copy = redshift_sql.stage(table, f"stage_{table.name}", "s3://lake/it's/manifest", ROLE)
    assert drop == f'DROP TABLE IF EXISTS "stage_{table.name}"'
    assert create == f'CREATE TEMP TABLE "stage_{table.name}" (LIKE "{table.name}")'
    assert copy == (
        f"COPY \"stage_{table.name}\" FROM 's3://lake/it''s/manifest' IAM_ROLE '{ROLE}' "
        "FORMAT AS PARQUET MANIFEST"
    )
    for lossy in ("TRUNCATECOLUMNS", "ACCEPTINVCHARS", "MAXERROR"):
        assert lossy not in copy


@pytest.mark.parametrize("text", views(ALL).values(), ids=views(ALL))
def test_views_use_no_word_that_redshift_lacks(text: str) -> None:
    assert sqlglot.parse_one(text, dialect="redshift") is not None
    assert not re.search(r"\b(FILTER|LATERAL|DISTINCT ON|EXISTS|ARRAY)\b|::", text)
