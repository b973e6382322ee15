import pytest

from headrace.schemas.loan_tables import LOAN_KEYS, LOAN_TABLES, PARTITIONS, column_type
from headrace.schemas.record_type import Field
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.reserved_words import RESERVED_WORDS
from headrace.schemas.tables import BIGINT, INT, SMALLINT, ColumnType, decimal, text

TYPES = {"loan_originations": "loan_origination.v1", "loan_performance": "loan_performance.v1"}


@pytest.mark.parametrize(("table", "record_type"), TYPES.items())
def test_a_table_has_the_fields_of_its_record_type_and_says_where_a_row_is_from(
    table: str, record_type: str
) -> None:
    fields = [field.name for field in RECORD_TYPES[record_type].fields]
    assert [column.name for column in LOAN_TABLES[table].columns] == [*fields, "vintage", "file_line"]


def test_the_partition_columns_are_not_in_the_files() -> None:
    outside = {name for name, _ in PARTITIONS}
    assert not any(outside & {column.name for column in table.columns} for table in LOAN_TABLES.values())


def test_what_names_a_row_is_never_null() -> None:
    for name, table in LOAN_TABLES.items():
        assert not any(table.column(key).nullable for key in LOAN_KEYS[name])


def test_no_column_has_to_be_quoted_by_an_analyst() -> None:
    names = {column.name for table in LOAN_TABLES.values() for column in table.columns}
    assert not names & RESERVED_WORDS


def integer(low: int, high: int) -> Field:
    return Field("n", "integer", nullable=False, required=True, description="", minimum=low, maximum=high)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 2**15 - 1, SMALLINT),
        (0, 2**15, INT),
        (-(2**15), 0, INT),
        (0, 2**31 - 1, INT),
        (-(2**31), 0, BIGINT),
        (0, 2**53, BIGINT),
    ],
)
def test_an_integer_gets_the_narrowest_column_that_surely_holds_it(
    low: int, high: int, expected: ColumnType
) -> None:
    assert column_type(integer(low, high)) == expected


def test_money_and_codes_keep_their_limits() -> None:
    table = LOAN_TABLES["loan_performance"]
    assert table.column("actual_loss").type == decimal(12, 2)
    assert table.column("current_interest_rate").type == decimal(8, 3)
    assert table.column("zero_balance_code").type == text(2)


def test_a_list_has_no_column() -> None:
    with pytest.raises(TypeError, match="errors"):
        column_type(RECORD_TYPES["reject.v1"].field("errors"))
