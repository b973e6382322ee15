import pytest

from headrace.schemas.reject_codes import RejectCode, Stage
from headrace.schemas.reserved_words import RESERVED_WORDS
from headrace.schemas.tables import Table
from headrace.warehouse.system_tables import LEDGER_RANGES, REJECTS, SYSTEM_TABLES, Fate


@pytest.mark.parametrize("table", SYSTEM_TABLES, ids=lambda table: table.name)
def test_every_table_says_what_it_is_and_needs_no_quotes(table: Table) -> None:
    assert table.description
    reserved = {column.name for column in table.columns} & RESERVED_WORDS
    assert reserved <= {"raw"}
    assert table.name not in RESERVED_WORDS


def width(table: Table, column: str) -> int:
    found = table.column(column).type.max_bytes
    assert found is not None
    return found


def test_every_code_and_fate_fits_its_column() -> None:
    assert max(map(len, RejectCode)) <= width(REJECTS, "code")
    assert max(map(len, Stage)) <= width(REJECTS, "stage")
    assert max(map(len, Fate)) <= width(LEDGER_RANGES, "fate")


def test_table_names_are_unique() -> None:
    assert len({table.name for table in SYSTEM_TABLES}) == len(SYSTEM_TABLES)
