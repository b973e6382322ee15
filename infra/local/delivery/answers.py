"""What becomes of each record by the transform function's answer, as Firehose was seen to treat it.

Codes and texts are the service's; those of a result that it does not define, and of data that is not base64,
have not been seen there.
"""

import binascii
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from infra.local.delivery.records import Failure, Outcome, SourceRecord

FUNCTION_ERROR = "Lambda.FunctionError"

_MISSING = Failure(
    "Lambda.MissingRecordId",
    "One or more record Ids were not returned. Ensure that the Lambda function returns all received record "
    "Ids.",
)
_DUPLICATED = Failure(
    "Lambda.DuplicatedRecordId",
    "Multiple records were returned with the same record Id. Ensure that the Lambda function returns a "
    "unique record Id for each record.",
)
_PROCESSING_FAILED = Failure("Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record")
_BAD_FORMAT = "Lambda.InvalidReturnFormat"
_NO_DATA = Failure(
    _BAD_FORMAT,
    "The data field cannot be null when the SourceType is DirectPut or KinesisStreamAsSource and processing "
    "result is Ok.",
)
_NO_BASE64 = Failure(_BAD_FORMAT, "The data field must be base64 encoded.")
_NO_RESULT = Failure(_BAD_FORMAT, "The result field must be one of Ok, Dropped or ProcessingFailed.")


def function_failed(records: Sequence[SourceRecord], attempts: int) -> list[Outcome]:
    """The whole batch, good records too, after the last attempt."""
    failure = Failure(
        FUNCTION_ERROR,
        "The Lambda function was successfully invoked but it returned an error result.",
        attempts,
    )
    return [Outcome(record, failure=failure) for record in records]


def outcomes(records: Sequence[SourceRecord], answer: bytes) -> list[Outcome]:
    """One outcome per record of the request, whatever the function answered; unknown ids are ignored."""
    entries = _entries(answer)
    times = Counter(name for name, _ in entries)
    by_id = dict(entries)
    return [_outcome(record, times[record.record_id], by_id) for record in records]


def _entries(answer: bytes) -> list[tuple[str, Mapping[str, object]]]:
    try:
        shape = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    records = shape.get("records") if isinstance(shape, dict) else None
    listed = [entry for entry in records if isinstance(entry, dict)] if isinstance(records, list) else []
    return [(entry["recordId"], entry) for entry in listed if isinstance(entry.get("recordId"), str)]


def _outcome(record: SourceRecord, times: int, by_id: Mapping[str, Mapping[str, object]]) -> Outcome:
    if times != 1:
        return Outcome(record, failure=_DUPLICATED if times else _MISSING)
    entry = by_id[record.record_id]
    result, data = entry.get("result"), entry.get("data")
    if result == "Dropped":
        return Outcome(record)
    if result != "Ok":
        return Outcome(record, failure=_PROCESSING_FAILED if result == "ProcessingFailed" else _NO_RESULT)
    if not isinstance(data, str):
        return Outcome(record, failure=_NO_DATA)
    try:
        return Outcome(record, data=binascii.a2b_base64(data, strict_mode=True), keys=_keys(entry))
    except (binascii.Error, ValueError):  # ValueError: characters beyond ASCII
        return Outcome(record, failure=_NO_BASE64)


def _keys(entry: Mapping[str, object]) -> dict[str, str]:
    metadata = entry.get("metadata")
    keys = metadata.get("partitionKeys") if isinstance(metadata, dict) else None
    pairs = keys.items() if isinstance(keys, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}
