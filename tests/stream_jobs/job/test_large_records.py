"""A record of 5 MiB, which a stream may be told to take, is a record like any other."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.doubles.kinesis import KinesisDouble
from tests.stream_jobs.job.harness import Job, access, counted, send

pytestmark = [
    pytest.mark.spark,
    pytest.mark.stack,
    pytest.mark.xdist_group("stream-job"),  # one Spark for all of them
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # py4j's and pyspark's
]


def test_a_legal_record_of_five_mebibytes_is_counted(
    kinesis: KinesisDouble, job: Callable[..., Job], url: str, query: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    large = access(2).replace(b'"data":{', b'"data":{' + b" " * (5 << 20))
    assert len(large) > 5 << 20
    for raw in (access(1), large, access(3)):
        send(kinesis, [raw])
    job().until(lambda: counted(url) == 3)
    assert query("select sum(records), sum(bytes) from web_traffic_1m") == [(3, 6)]
    assert query("select count(*) from rejects") == [(0,)]
