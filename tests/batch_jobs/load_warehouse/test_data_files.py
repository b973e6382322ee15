"""What is refused before a row is loaded: COPY of Parquet goes by position and would not notice."""

from collections.abc import Callable

import msgspec
import pyarrow as pa
import pytest

from batch_jobs.load_warehouse import data_files
from batch_jobs.manifest import DataFile, Output
from batch_jobs.storage import Storage
from headrace.errors import LoadMismatch, StorageUnusable
from headrace.schemas.loan_tables import LOAN_PERFORMANCE
from headrace.warehouse.staging import arrow_schema
from tests.batch_jobs.load_warehouse.partitions import rows, write

SCHEMA = arrow_schema(LOAN_PERFORMANCE)


def check(storage: Storage, output: Output) -> None:
    data_files.check(storage, LOAN_PERFORMANCE, output)


def test_files_of_the_table_pass(storage: Storage) -> None:
    check(storage, write(storage, rows()))


def swapped() -> pa.Schema:
    """Two columns of one type: a COPY by position would take either for the other."""
    names = list(SCHEMA.names)
    one, two = names.index("legal_costs"), names.index("taxes_and_insurance")
    names[one], names[two] = names[two], names[one]
    return pa.schema([SCHEMA.field(name) for name in names])


def retyped(name: str, type_: pa.DataType) -> pa.Schema:
    return SCHEMA.set(SCHEMA.get_field_index(name), pa.field(name, type_))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (swapped(), "has the columns"),
        (SCHEMA.remove(3), "has the columns"),
        (SCHEMA.append(pa.field("vintage_year", pa.int32())), "has the columns"),
        (retyped("loan_age", pa.int64()), r"loan_age is int64 \(INT64\)"),
        (retyped("actual_loss", pa.decimal128(14, 2)), "actual_loss is decimal128"),
        (retyped("period", pa.timestamp("us")), "period is timestamp"),
    ],
)
def test_a_file_with_other_columns_is_refused(storage: Storage, schema: pa.Schema, words: str) -> None:
    contents = [{name: row.get(name) for name in schema.names} for row in rows(count=0)]
    with pytest.raises(LoadMismatch, match=words):
        check(storage, write(storage, contents, schema=schema))


def test_a_decimal_stored_as_bytes_is_refused(storage: Storage) -> None:
    with pytest.raises(LoadMismatch, match="FIXED_LEN_BYTE_ARRAY"):
        check(storage, write(storage, rows(), store_decimal_as_integer=False))


def with_file(output: Output, change: Callable[[DataFile], DataFile]) -> Output:
    return msgspec.structs.replace(output, files=(change(output.files[0]), *output.files[1:]))


def test_a_file_of_another_size_or_count_is_refused(storage: Storage) -> None:
    output = write(storage, rows())
    with pytest.raises(LoadMismatch, match="bytes, the manifest says"):
        check(storage, with_file(output, lambda file: DataFile(file.path, file.bytes + 1, file.rows)))
    shifted = (
        DataFile(output.files[0].path, output.files[0].bytes, output.files[0].rows - 1),
        DataFile(output.files[1].path, output.files[1].bytes, output.files[1].rows + 1),
    )
    with pytest.raises(LoadMismatch, match="25 rows, the manifest says 24"):
        check(storage, msgspec.structs.replace(output, files=shifted))


@pytest.mark.parametrize("change", [{"rows": 49}, {"rows_in": 51}, {"rejected": {"field_count": 1}}])
def test_a_manifest_that_does_not_add_up_is_refused(storage: Storage, change: dict[str, object]) -> None:
    with pytest.raises(LoadMismatch, match="does not add up"):
        check(storage, msgspec.structs.replace(write(storage, rows()), **change))


def test_a_missing_or_spoiled_file_is_named(storage: Storage) -> None:
    output = write(storage, rows())
    gone = with_file(output, lambda file: DataFile(f"{file.path}.gone", file.bytes, file.rows))
    with pytest.raises(StorageUnusable, match=r"\.gone"):
        check(storage, gone)
    storage.write(output.files[0].path, b"x" * output.files[0].bytes)
    with pytest.raises(StorageUnusable, match="part-00000"):
        check(storage, output)


def test_a_text_with_more_bytes_than_redshift_takes_is_refused(storage: Storage) -> None:
    wide = rows(count=1)
    wide[0]["servicer_name"] = "ä" * 60
    output = write(storage, wide, files=1)
    check(storage, output)
    with pytest.raises(LoadMismatch, match="servicer_name holds 120 bytes, its table takes 60"):
        list(data_files.parts(storage, LOAN_PERFORMANCE, output.files[0].path))
