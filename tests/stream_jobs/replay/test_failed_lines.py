"""Lines of the delivery's error objects in every shape that was seen, and in none."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.warehouse.replays import Wanted
from stream_jobs.replay.candidates import failed
from stream_jobs.replay.failed_lines import FailedLine, Unreadable, read_lines
from tests.doubles.clock import START
from tests.stream_jobs.replay.mill import Bucket, failed_line

RAW = base64.b64encode(b"a record").decode()


@pytest.mark.parametrize(
    "said",
    [
        {"rawData": RAW, "errorCode": "X", "errorMessage": "m", "lambdaARN": "arn"},
        {"rawData": RAW, "errorCode": "X", "errorMessage": "m", "lambdaArn": "arn"},
        {
            "rawData": RAW,
            "ErrorCode": "X",
            "ErrorMessage": "m",
            "sequenceNumber": "1",
            "subSequenceNumber": 0,
        },
        {"rawData": RAW, "lastErrorCode": "X", "lastErrorMessage": "m", "dataCatalogTable": {"region": "r"}},
    ],
)
def test_all_spellings_are_read(said: dict[str, object]) -> None:
    assert list(read_lines(json.dumps(said).encode())) == [FailedLine(0, "X", "m", None, b"a record")]


def test_the_arrival_is_read_and_an_impossible_one_is_none() -> None:
    (line,) = read_lines(failed_line(b"a"))
    assert isinstance(line, FailedLine)
    assert line.arrived == START
    for wrong in (-1, 1e300, "soon", None):
        (line,) = read_lines(failed_line(b"a", arrivalTimestamp=wrong))
        assert isinstance(line, FailedLine)
        assert line.arrived is None


def test_an_aggregate_is_taken_apart() -> None:
    together = aggregate([UserRecord("k", None, b"a"), UserRecord("k", None, b"b")])
    (line,) = read_lines(failed_line(together))
    assert isinstance(line, FailedLine)
    assert line.records == [b"a", b"b"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"rawData": "YQ',
        b"[]",
        b"null",
        b'{"rawData": 7}',
        b'{"rawData": "Y!"}',
        b'{"rawData": "\xff"}',
        b"{}",
    ],
)
def test_what_cannot_be_read_is_named_by_its_line_and_stops_nothing(line: bytes) -> None:
    first, second = read_lines(line + b"\n\n" + failed_line(b"a"))
    assert isinstance(first, Unreadable)
    assert first.line == 0
    assert isinstance(second, FailedLine)
    assert second.line == 2


@given(st.binary() | st.lists(st.binary()).map(b"\n".join))
def test_no_bytes_can_stop_it(body: bytes) -> None:
    assert len(list(read_lines(body))) == sum(1 for line in body.split(b"\n") if line.strip())


class NoMarks:
    """A warehouse in which nothing was put back."""

    def replayed_lines(self, _key: str) -> set[int]:
        return set()


@pytest.mark.parametrize(
    "folder",
    ["processing-failed", "processing_failed", "format-conversion-failed", "activePartitionExceeded"],
)
def test_every_folder_that_delivery_writes_is_looked_into(folder: str) -> None:
    bucket = Bucket({f"failed/events/{folder}/2026/11/21/a": failed_line(b"a"), "events/type=x/a": b"{}"})
    told: list[str] = []
    (found,) = failed(bucket, NoMarks(), Wanted(), told.append)  # type: ignore[arg-type]
    assert (found.stream, found.line.raw, told) == ("events", b"a", [])
