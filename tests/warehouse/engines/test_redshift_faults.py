import struct

import pytest
from redshift_connector.error import (
    DataError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from headrace.errors import SchemaMismatch, SettingsError, WarehouseRefused, WarehouseUnavailable
from headrace.warehouse.engines.redshift_faults import fate_of, faults


def told(code: str, message: str = "", detail: str = "") -> ProgrammingError:
    return ProgrammingError({"S": "ERROR", "C": code, "M": message, "D": detail})


def on_a_node(number: int, text: str) -> str:
    rule = "-" * 47
    return f"\n  {rule}\n  error:  {text}\n  code:      {number}\n  context:   1023\n  query:     1\n  {rule}"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (told("XX000", "1023", "Serializable isolation violation on table - 1"), WarehouseUnavailable),
        (told("XX000", "1018", "Relation does not exist"), WarehouseUnavailable),
        (told("XX000", "Assert", on_a_node(1023, "any words")), WarehouseUnavailable),
        (told("XX000", "S3 Query Exception", on_a_node(15001, "any words")), WarehouseUnavailable),
        (told("40P01", "any words"), WarehouseUnavailable),
        (told("57014", "canceled on user's request"), WarehouseUnavailable),
        (told("57P01", "any words"), WarehouseUnavailable),
        (told("53300", "too many connections"), WarehouseUnavailable),
        (InterfaceError("BrokenPipe: server socket closed"), WarehouseUnavailable),
        (OperationalError("connection time out"), WarehouseUnavailable),
        (OSError("reset"), WarehouseUnavailable),
        (struct.error("unpack requires a buffer of 4 bytes"), WarehouseUnavailable),
        (DataError("Prepared statement exceeds bind parameter limit 32767"), WarehouseRefused),
        (NotSupportedError("type set not mapped to pg type"), WarehouseRefused),
        (told("42P01", "any words"), SchemaMismatch),
        (told("42703", "any words"), SchemaMismatch),
        (told("42501", "any words"), SettingsError),
        (InterfaceError({"S": "FATAL", "C": "28000", "M": "password authentication failed"}), SettingsError),
        (told("3D000", "any words"), SettingsError),
        (told("XX000", "Spectrum Scan Error", on_a_node(15007, "incompatible")), WarehouseRefused),
        (told("XX000", "the number 1023 in words"), WarehouseRefused),
        (told("22001", "1023 is too long"), WarehouseRefused),
    ],
)
def test_every_error_has_a_fate_by_its_code_or_number(error: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as raised, faults():
        raise error
    assert type(raised.value) is expected


def test_the_detail_is_told() -> None:
    assert "isolation violation" in str(fate_of(told("XX000", "1023", "Serializable isolation violation")))


def test_other_peoples_errors_pass() -> None:
    with pytest.raises(ValueError, match="ours"), faults():
        raise ValueError("ours")
