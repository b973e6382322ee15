"""Lines of many mebibytes, from the file to the stream."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.doubles.kinesis import KinesisDouble
from tests.producers.received import receive

MEBIBYTE = 1 << 20


def lines(*sizes: int) -> bytes:
    """Legal lines of about so many bytes: JSON may hold any number of spaces."""
    data = {"client_address": "::1", "method": "GET", "path": "/a", "status": 200}
    whole = [
        msgspec.json.encode({"time": "2026-01-02T03:04:05Z", "data": data | {"path": f"/{n}"}})
        for n in range(1, len(sizes) + 1)
    ]
    return b"\n".join(
        line.replace(b'"data":{', b'"data":{' + b" " * size) for line, size in zip(whole, sizes, strict=True)
    )


@pytest.mark.parametrize("connections", [1, 4])
def test_lines_of_up_to_ten_mebibytes_arrive_where_the_stream_takes_them(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path, connections: int
) -> None:
    kinesis.stream().max_record_bytes = 10 * MEBIBYTE
    path = tmp_path / "records.ndjson"
    path.write_bytes(lines(0, 5 * MEBIBYTE, 100, 10 * MEBIBYTE - 2_000, 0))
    given = {"format": "ndjson", "type": "web_access.v1", "requests_in_flight": connections}
    assert produce(path, **given) == 0
    received = receive(kinesis)
    assert received.paths() == ["/1", "/2", "/3", "/4", "/5"]
    assert received.rejects == {}


def test_on_a_stream_that_takes_one_mebibyte_a_larger_line_is_rejected_and_kept(
    produce: Callable[..., int], kinesis: KinesisDouble, tmp_path: Path
) -> None:
    path = tmp_path / "records.ndjson"
    path.write_bytes(lines(0, 5 * MEBIBYTE, 0, 11 * MEBIBYTE, 0))
    assert produce(path, format="ndjson", type="web_access.v1") == 0
    received = receive(kinesis)
    assert received.paths() == ["/1", "/3", "/5"]
    assert {number: reject.code for number, reject in received.rejects.items()} == {
        2: "too_large",
        4: "too_large",
    }
    for reject in received.rejects.values():
        kept = Path(reject.raw_place or "").read_bytes()
        assert len(kept) == reject.raw_length > 5 * MEBIBYTE
    last = next(iter(received.statuses.values()))[-1]
    assert (last.spooled, last.acknowledged, last.closed) == (5, 5, True)
