"""Records per second and core: the codec against pydantic and json.loads + fastjsonschema, checking the same.

The records are the requests of examples/access.log as events of about 300 bytes. Each contender turns bytes
into a checked record with an aware time; the others are spared the union of record types and the byte limits.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import fastjsonschema
import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from headrace.schemas.codec import Event, Rejection, decode, encode, seal
from headrace.schemas.event import MAX_SEQUENCE, TIME_BEFORE, TIME_FROM
from headrace.schemas.records.web_access import METHOD_PATTERN, WebAccess
from headrace.schemas.registry import EVENT_CLASSES
from producers.formats.access_log import parse

LOG = Path(__file__).parent.parent / "examples" / "access.log"
SOURCE = "web-7/01J9ZX5T3R6E8QK2V4M7B0C1DN"
ROUNDS = 7

Short = Annotated[str, Field(max_length=255)]
Long = Annotated[str, Field(max_length=32_768)]


class PydanticData(BaseModel):
    """`web_access.v1` as a pydantic user would write it."""

    model_config = ConfigDict(extra="forbid", strict=True)
    client_address: Short | None
    user: Short | None = None
    method: Annotated[str, Field(max_length=255, pattern=METHOD_PATTERN.replace(r"(?!\n)$", "$"))] | None
    path: Long | None
    query: Long | None = None
    protocol: Short | None = None
    status: Annotated[int, Field(ge=0, le=999)] | None
    bytes: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    referer: Long | None = None
    user_agent: Long | None = None


class PydanticEvent(BaseModel):
    """The envelope as a pydantic user would write it."""

    model_config = ConfigDict(strict=True)
    type: Literal["web_access.v1"]
    specversion: Literal["1.0"]
    id: Annotated[str, Field(min_length=1, max_length=256)]
    source: Annotated[str, Field(min_length=1, max_length=256)]
    time: Annotated[AwareDatetime, Field(ge=TIME_FROM, lt=TIME_BEFORE)]
    sequence: Annotated[str, Field(pattern="^[0-9]{16}$")]
    data: PydanticData


def events() -> list[bytes]:
    """Sealed events of about 300 bytes, made of the real requests."""
    parsed = (parse(line) for line in LOG.read_bytes().splitlines())
    accepted = [line for line in parsed if not isinstance(line, Rejection)]
    return [
        encode(SOURCE, number, at, _shortened(data)) for number, (at, data) in enumerate(accepted, start=1)
    ]


def _shortened(data: WebAccess) -> WebAccess:
    agent = None if data.user_agent is None else data.user_agent[:40]
    return msgspec.structs.replace(data, referer=None, user_agent=agent)


def with_pydantic(raw: bytes) -> PydanticEvent:
    """One record through pydantic; what may hide U+0000 is left to a slower way, as in the codec."""
    if b"\\u0000" in raw:
        raise ValueError("U+0000")
    return PydanticEvent.model_validate_json(raw)


def fastjsonschema_reader() -> Callable[[bytes], dict[str, Any]]:
    """json.loads, then a validator compiled from the record type's own JSON Schema, then the time."""
    schema = msgspec.json.schema(EVENT_CLASSES["web_access.v1"])
    event = next(part for part in schema["$defs"].values() if "specversion" in part["properties"])
    event["properties"]["sequence"]["pattern"] = "^[0-9]{16}$"
    text = json.dumps(schema).replace("#$%", r"#\\x24%")  # it takes every $ for the end of the text
    check = fastjsonschema.compile(json.loads(text))

    def read(raw: bytes) -> dict[str, Any]:
        if b"\\u0000" in raw:
            raise ValueError("U+0000")
        event: dict[str, Any] = check(json.loads(raw))
        event["time"] = datetime.fromisoformat(event["time"])
        if not TIME_FROM <= event["time"] < TIME_BEFORE or not 1 <= int(event["sequence"]) <= MAX_SEQUENCE:
            raise ValueError("out of range")
        return event

    return read


def measure() -> dict[str, Any]:
    """Records a second of each contender, measured turn by turn in one process, and the ratios."""
    sample = events()
    lines = LOG.read_bytes().splitlines()
    contenders: dict[str, tuple[Callable[[bytes], object], list[bytes]]] = {
        "headrace": (decode, sample),
        "pydantic": (with_pydantic, sample),
        "json.loads + fastjsonschema": (fastjsonschema_reader(), sample),
        "producer: parse + seal a log line": (_parse_and_seal, lines),
    }
    assert all(isinstance(decode(raw), Event) for raw in sample)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (read, records) in contenders.items():
            seconds[name].append(_cpu_seconds(read, records) / len(records))
    rates = {name: round(1 / statistics.median(taken)) for name, taken in seconds.items()}
    return {
        "bytes_per_record": round(statistics.mean(map(len, sample))),
        "records_per_second": rates,
        "ratios": {
            name: round(rates["headrace"] / rates[name], 2)
            for name in ("pydantic", "json.loads + fastjsonschema")
        },
        "goals": {"pydantic": 2.0, "json.loads + fastjsonschema": 5.0},
    }


def _parse_and_seal(line: bytes) -> None:
    parsed = parse(line)
    if not isinstance(parsed, Rejection):
        seal(SOURCE, 1, *parsed, raw=line)


def _cpu_seconds(read: Callable[[bytes], object], records: list[bytes]) -> float:
    started = time.process_time()
    for record in records:
        read(record)
    return time.process_time() - started


def main() -> int:
    """Print the figures; 1 when a goal is missed."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = arguments.parse_args().json
    result = measure()
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        for name, rate in result["records_per_second"].items():
            ratio = result["ratios"].get(name)
            goal = f"   headrace is {ratio} x (goal {result['goals'][name]})" if ratio else ""
            sys.stdout.write(f"{rate:>9,} records/s/core  {name}{goal}\n")
    return int(any(result["ratios"][name] < goal for name, goal in result["goals"].items()))


if __name__ == "__main__":
    sys.exit(main())
