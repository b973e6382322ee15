from graphlib import TopologicalSorter
from pathlib import Path

import headrace
from headrace.schemas.registry import RECORD_TYPES
from headrace.schemas.streams import STREAMS

ROOT = Path(headrace.__file__).parent.parent
WAREHOUSE_TABLE = "rejects"


def test_every_door_of_a_stream_is_a_package() -> None:
    for stream in STREAMS.values():
        for door in (*stream.producers, *stream.consumers):
            assert (ROOT / door / "__init__.py").exists(), (stream.name, door)


def test_every_stream_is_written_and_read() -> None:
    for stream in STREAMS.values():
        assert stream.producers
        assert stream.consumers


def test_every_record_type_travels_on_a_stream_and_no_stream_carries_an_unknown_one() -> None:
    assert {name for stream in STREAMS.values() for name in stream.record_types} == set(RECORD_TYPES)


def test_records_flow_downhill() -> None:
    graph: dict[str, set[str]] = {}
    for stream in STREAMS.values():
        graph.setdefault(f"stream {stream.name}", set()).update(stream.producers)
        for consumer in stream.consumers:
            graph.setdefault(consumer, set()).add(f"stream {stream.name}")
    TopologicalSorter(graph).prepare()


def test_rejects_have_a_place_and_retention_is_one_that_kinesis_offers() -> None:
    for stream in STREAMS.values():
        assert stream.rejects_to in {*STREAMS, WAREHOUSE_TABLE}
        assert 24 <= stream.retention.total_seconds() / 3600 <= 8760
