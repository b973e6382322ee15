"""What one pipeline of the producer costs, from records in memory until a sink has accepted them.

    python -m bench.producer_way --url http://127.0.0.1:4567 --records 200000

It is the producer's own pipeline, with its two threads and its spool, fsync and all; only the source is a
bench's: it hands out the same thousand records again and again. Prints one JSON object; `cpu_seconds` are all
the processor time of this process from the first record to the last answer.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

from msgspec import Meta, Struct

from headrace.kinesis.client import KinesisClient
from headrace.kinesis.endpoint import Endpoint
from headrace.kinesis.signature import Keys
from headrace.ops.clock import SystemClock
from headrace.schemas import codec, registry
from headrace.schemas.event import event_class
from headrace.schemas.record_type import RecordType
from headrace.schemas.records.user_signup import UserSignup
from producers.assembly import Assembly, assemble
from producers.configuration import Input
from producers.line_format import Seal
from producers.reading.source import Chunk, Opening, Source
from producers.settings import InputSettings, ProducerSettings

LINES = 1_000
USERS = 10_000
TIME = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
SPOOL_BYTES = 1 << 30
_CHUNK_BYTES, _MOST_CHUNKS = 4 << 20, 100


class Reading(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """As short as a record can be: the envelope alone has about 170 bytes."""

    k: Annotated[str, Meta(max_length=64)]
    v: Annotated[str, Meta(max_length=1 << 20)] | None = None


class Samples(Source):
    """A chunk of decoded records, so many times."""

    FORMAT = "bench"

    def __init__(self, chunks: list[Chunk], records: int) -> None:
        self._chunks = chunks
        self._left = records
        self.began = 0.0

    def open_source(self, _settings: Struct, _opening: Opening) -> Source:
        """As the module of a source does."""
        return self

    def read(self) -> Chunk | None:
        """The next chunk."""
        if not self._left:
            return None
        chunk = self._chunks[self._left // LINES % len(self._chunks)]
        size = min(self._left, len(chunk.lines))
        self._left -= size
        return Chunk(chunk.input, chunk.lines[:size], chunk.places[:size])

    def close(self) -> None:
        """Nothing is open."""


class Decoded:
    """The format of records that need no parsing: (time, Struct) in place of a line's bytes."""

    def __init__(self, record_type: str, *, judged: bool) -> None:
        self.record_type = record_type
        self._judged = judged

    def sealer(self, _shift: timedelta = timedelta(0)) -> Seal:
        """Encode; `judged`: and have the codec judge it, as the formats of lines do."""
        encode = codec.seal if self._judged else codec.encode

        def seal(line: bytes, source: str, number: int) -> bytes | codec.Rejection:
            at, data = line  # bytes for the types' sake, see `chunks`
            return encode(source, number, at, data)  # type: ignore[arg-type]

        return seal


class BenchInput(NamedTuple):
    """An `Input` whose kind and lines are given."""

    name: str
    settings: InputSettings
    own: Struct
    spool: Path
    kind: Any
    lines: Any


def declare(name: str, *, keyed: bool) -> None:
    """Let the codec and the producer know a record type that exists in this process only."""
    record_type = RecordType(name, Reading, "Of the bench.", partition_key="k" if keyed else None)
    registry.RECORD_TYPES[name] = record_type
    registry.EVENT_CLASSES[name] = event_class(record_type)
    codec._CLASS_OF_DATA[Reading] = registry.EVENT_CLASSES[name]  # noqa: SLF001  no product declares a type late


def chunks(data: Callable[[int, str | None], Struct], size: int, users: int) -> tuple[list[Chunk], int]:
    """Records that travel in `size` bytes (or the least that is possible), and how many bytes that is."""
    least, blank = (len(codec.encode(f"bench/{'0' * 26}", 1, TIME, data(0, text))) for text in (None, ""))
    text = "x" * (size - blank) if size >= blank else None
    count = min(LINES, max(1, _CHUNK_BYTES // size))
    places = [b"%d" % (number * size) for number in range(count)]
    parts = max(1, min(users // count, _MOST_CHUNKS))
    found = []
    for part in range(parts):
        records = [(TIME, data((number * parts + part) % users, text)) for number in range(count)]
        found.append(Chunk("bench", cast("list[bytes]", records), places))
    return found, least if text is None else size


def reading(user: int, text: str | None) -> Struct:
    """A record of the bench's own type."""
    return Reading(k=f"u{user:06d}", v=text)


def signup(user: int, text: str | None) -> Struct:
    """One of the product's types."""
    return UserSignup(user_id=f"{user:08x}-0000-4000-8000-{user:012x}", picture_url=text)


def cost(
    client: KinesisClient, given: Samples, lines: Decoded, spool: Path, rate: float | None
) -> tuple[float, float]:
    """(processor seconds, seconds) of one pipeline from its start until all is accepted and closed."""
    clock = SystemClock()
    settings = InputSettings(source="bench", spool_bytes=SPOOL_BYTES, rate=rate)
    it = BenchInput("bench", settings, settings, spool, given, lines)
    producer = ProducerSettings(name="bench", spool=str(spool))
    (pipeline,) = assemble(cast("Input", it), Assembly(producer, client, clock))
    cpu, began = time.process_time(), time.monotonic()
    pipeline.start()
    while not pipeline.is_done:
        time.sleep(0.01)
    if pipeline.failure is not None:
        raise pipeline.failure
    return time.process_time() - cpu, time.monotonic() - began


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """One figure, after a tenth as much to warm up."""
    name = "user_signup.v1" if arguments.judged else "bench.v1"
    if not arguments.judged:
        declare(name, keyed=not arguments.unkeyed)
    found, size = chunks(signup if arguments.judged else reading, arguments.bytes, arguments.users)
    lines = Decoded(name, judged=arguments.judged)
    client = KinesisClient(Endpoint(arguments.url, "us-east-1", lambda: Keys("AKID", "x")), SystemClock())
    with tempfile.TemporaryDirectory(dir=arguments.spool) as folder:
        cost(client, Samples(found, arguments.records // 10), lines, Path(folder) / "warm", None)
        cpu, seconds = cost(
            client, Samples(found, arguments.records), lines, Path(folder) / "spool", arguments.rate
        )
    client.close()
    return {
        "records": arguments.records,
        "bytes": size,
        "cpu_seconds": cpu,
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rate", type=float, help="records a second; by default as fast as it goes")
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--unkeyed", action="store_true")
    parser.add_argument("--judged", action="store_true", help="user_signup.v1, each with the codec's verdict")
    parser.add_argument("--spool", help="the folder for the spool")
    sys.stdout.write(json.dumps(measure(parser.parse_args())) + "\n")


if __name__ == "__main__":
    main()
