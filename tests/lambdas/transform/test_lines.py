import json
from datetime import UTC, datetime

import msgspec
import pytest

from headrace.schemas.codec import Event, decode
from headrace.schemas.registry import RECORD_TYPES
from lambdas.transform.lines import line
from tests.lambdas.firehose import ARRIVAL_MS
from tests.schemas.examples import Example, good_examples

EXTRAS = {"_source", "_sequence", "_event_time", "_ingested_at"}


@pytest.mark.parametrize("case", good_examples(), ids=str)
def test_a_line_holds_the_records_data_and_where_it_came_from(case: Example) -> None:
    event = decode(case.raw)
    assert isinstance(event, Event)
    made = line(event, ARRIVAL_MS)
    assert made.endswith(b"}\n")
    assert made.count(b"\n") == 1
    read = json.loads(made)
    told = json.loads(case.raw)
    known = {field.name for field in RECORD_TYPES[told["type"]].fields}
    data = {name: value for name, value in read.items() if name not in EXTRAS}
    given = {name: value for name, value in told["data"].items() if value is not None}
    defaults = {name: value for name, value in data.items() if name not in given}
    assert {name: value for name, value in data.items() if name in given} == given
    assert set(data) <= known
    assert all(value in (None, False) for value in defaults.values())
    assert read["_source"] == told["source"]
    assert read["_sequence"] == (int(told["sequence"]) if told.get("sequence") else None)
    assert datetime.fromisoformat(read["_event_time"]) == event.time
    assert read["_ingested_at"] == "2026-11-21T11:59:59.123000Z"
    assert len(read["_event_time"]) == len(read["_ingested_at"])  # so that they sort as text
    assert read["_event_time"].endswith("Z")


def test_what_a_line_leaves_out_is_null_and_no_other_default() -> None:
    for record_type in RECORD_TYPES.values():
        if record_type.data.__struct_config__.omit_defaults:
            fields = msgspec.structs.fields(record_type.data)
            assert {field.default for field in fields if not field.required} <= {None}, record_type.name


def test_a_record_with_no_fields_to_tell_still_makes_a_line() -> None:
    class Nothing(msgspec.Struct, omit_defaults=True):
        word: str | None = None

    event = Event(
        specversion="1.0", id="1", source='a"b', time=datetime(1970, 1, 1, tzinfo=UTC), data=Nothing()
    )
    assert json.loads(line(event, 0)) == {
        "_source": 'a"b',
        "_sequence": None,
        "_event_time": "1970-01-01T00:00:00.000000Z",
        "_ingested_at": "1970-01-01T00:00:00.000000Z",
    }
