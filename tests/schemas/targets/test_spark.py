import sqlglot
from hypothesis import given
from sqlglot import exp

from headrace.schemas.registry import OUTPUTS, RECORD_TYPES
from headrace.schemas.tables import Table
from headrace.schemas.targets.spark import record_schema, table_schema
from tests.schemas.tables_strategy import any_table


def columns_of(ddl: str) -> list[str]:
    parsed = sqlglot.parse_one(f"CREATE TABLE t ({ddl})", dialect="spark")
    return [column.name for column in parsed.this.expressions if isinstance(column, exp.ColumnDef)]


@given(any_table())
def test_the_oracle_reads_back_the_columns_of_any_table(table: Table) -> None:
    assert columns_of(table_schema(table)) == [column.name for column in table.columns]


def test_the_schema_of_every_record_type_has_its_fields() -> None:
    for record_type in RECORD_TYPES.values():
        assert columns_of(record_schema(record_type)) == [field.name for field in record_type.fields]


def test_the_ddl_is_what_a_person_would_write() -> None:
    parts = OUTPUTS["web_visitors_15m"].parts_table()
    assert parts is not None

    assert table_schema(parts) == (
        "`window_start` TIMESTAMP NOT NULL, `measure` STRING NOT NULL, "
        "`part` INT NOT NULL, `n` BIGINT NOT NULL"
    )
    assert record_schema(RECORD_TYPES["producer_status.v1"]) == (
        "`spooled` BIGINT NOT NULL, `acknowledged` BIGINT NOT NULL, `closed` BOOLEAN NOT NULL"
    )
    assert "`errors` ARRAY<STRUCT<`path`: STRING, `message`: STRING>> NOT NULL" in record_schema(
        RECORD_TYPES["reject.v1"]
    )
