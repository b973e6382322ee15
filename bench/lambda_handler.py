"""The transform function with Lambda's own JSON in and out, beside a powertools sample that only re-encodes.

A batch is 1 MB of raw records, the requests of examples/access.log as events of about 300 bytes, with record
ids as long as Firehose's. The put to the stream `errors` is a function of this process.
"""

import argparse
import base64
import contextlib
import io
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

from aws_lambda_powertools.utilities.data_classes import KinesisFirehoseEvent
from aws_lambda_powertools.utilities.data_classes.kinesis_firehose_event import (
    KinesisFirehoseDataTransformationRecordMetadata,
    KinesisFirehoseDataTransformationResponse,
)
from aws_lambda_powertools.utilities.serialization import base64_from_json

from bench.decode import events
from lambdas.transform import handler
from lambdas.transform.rejects import Parcel

ROUNDS = 15
COLD_ROUNDS = 5
BATCH_BYTES = 1_000_000
ARRIVAL_MS = 1_795_262_400_123
SEQUENCE = 49_546_986_683_135_544_286_507_457_936_321_625_675_700_192_471_156_785_154
COLD = (
    "import time; t = time.perf_counter(); import lambdas.transform.handler; print(time.perf_counter() - t)"
)
GOALS = {"handler, all good": 75_000, "powertools sample": 1.3}  # records/s/core, times faster
MOST = {"one MB, all good": 50.0, "cold import": 350.0}  # milliseconds

Handle = Callable[[dict[str, Any]], dict[str, Any]]


class Context:
    """Lambda's, as far as the handler asks."""

    def get_remaining_time_in_millis(self) -> int:
        """Plenty."""
        return 60_000


class TakesAll:
    """Stands in for the stream `errors`."""

    def put(self, parcels: Sequence[Parcel], _remaining: Callable[[], int]) -> list[bool]:
        """All are taken."""
        return [True] * len(parcels)


def batch(raws: Sequence[bytes]) -> bytes:
    """Firehose's call, as Lambda gets it."""
    call = {
        "invocationId": "4f8ab8d6-7b62-4b0c-8a4d-5f4f3c1f2a10",
        "sourceKinesisStreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/events",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/events",
        "region": "us-east-1",
        "records": [record(number, raw) for number, raw in enumerate(raws)],
    }
    return json.dumps(call).encode()


def record(number: int, raw: bytes) -> dict[str, Any]:
    """One record of a shard that takes its thousand a second."""
    arrival = {"approximateArrivalTimestamp": ARRIVAL_MS + number}
    return {
        "recordId": str(SEQUENCE + number),
        **arrival,
        "data": base64.b64encode(raw).decode(),
        "kinesisRecordMetadata": {
            "sequenceNumber": str(SEQUENCE + number),
            "subsequenceNumber": 0,
            "partitionKey": "4d1ad2b9-24f8-4b9d-a088-76e9947c317a",
            "shardId": "shardId-000000000000",
            **arrival,
        },
    }


def sample() -> list[bytes]:
    """One MB of events."""
    found, size = [], 0
    for raw in cycle(events()):
        if size + len(raw) > BATCH_BYTES:
            break
        found.append(raw)
        size += len(raw)
    return found


def with_ours(event: dict[str, Any]) -> dict[str, Any]:
    """The transform."""
    return handler.handle(event, Context())


def with_powertools(event: dict[str, Any]) -> dict[str, Any]:
    """The sample of the powertools documentation: read the JSON, name a partition, write the JSON."""
    response = KinesisFirehoseDataTransformationResponse()
    for record in KinesisFirehoseEvent(event).records:
        data = record.data_as_json
        metadata = KinesisFirehoseDataTransformationRecordMetadata(partition_keys={"type": data["type"]})
        response.add_record(
            record.build_data_transformation_response(data=base64_from_json(data), metadata=metadata)
        )
    return response.asdict()


def seconds(handle: Handle, call: bytes) -> float:
    """CPU seconds of one call, with the runtime's JSON."""
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.process_time()
        json.dumps(handle(json.loads(call)))
        return time.process_time() - began


def measure() -> dict[str, Any]:
    """Records a second and core of each contender, turn by turn in one process; milliseconds of the rest."""
    vars(handler)["_error_stream"] = TakesAll
    logging.disable(logging.CRITICAL)
    good = sample()
    bad = [raw.replace(b'"status":', b'"statu":') for raw in good]
    some = [bad[at] if at % 100 == 0 else raw for at, raw in enumerate(good)]
    contenders: dict[str, tuple[Handle, bytes]] = {
        "handler, all good": (with_ours, batch(good)),
        "handler, 1 % bad": (with_ours, batch(some)),
        "handler, all bad": (with_ours, batch(bad)),
        "powertools sample": (with_powertools, batch(good)),
    }
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (handle, call) in contenders.items():
            taken[name].append(seconds(handle, call))
    best = {name: min(times) for name, times in taken.items()}  # others on the machine only add
    rates = {name: round(len(good) / least) for name, least in best.items()}
    return {
        "bytes_per_record": round(statistics.mean(map(len, good))),
        "records_per_second": rates,
        "ratios": {"powertools sample": round(best["powertools sample"] / best["handler, all good"], 2)},
        "milliseconds": {
            "one MB, all good": round(best["handler, all good"] * 1000, 1),
            "cold import": round(min(cold_import() for _ in range(COLD_ROUNDS)) * 1000),
        },
        "goals": GOALS | MOST,
    }


def cold_import() -> float:
    """Seconds that a fresh interpreter needs for the handler, its code compiled as in the bundle."""
    done = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True)
    return float(done.stdout)


def missed(figures: dict[str, Any]) -> list[str]:
    """The goals that these figures do not reach."""
    reached = {
        "handler, all good": figures["records_per_second"]["handler, all good"] >= GOALS["handler, all good"],
        "powertools sample": figures["ratios"]["powertools sample"] >= GOALS["powertools sample"],
    } | {name: figures["milliseconds"][name] <= most for name, most in MOST.items()}
    return [name for name, is_reached in reached.items() if not is_reached]


def main() -> int:
    """Print the figures; 1 when a goal is missed."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = arguments.parse_args().json
    figures = measure()
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return int(bool(missed(figures)))
    for name, rate in figures["records_per_second"].items():
        sys.stdout.write(f"{rate:>9,} records/s/core  {name}\n")
    for name, ratio in figures["ratios"].items():
        sys.stdout.write(f"{ratio:>9} times faster than the {name} (goal {GOALS[name]})\n")
    for name, taken in figures["milliseconds"].items():
        sys.stdout.write(f"{taken:>9} ms              {name} (goal {MOST[name]:g} at most)\n")
    for name in missed(figures):
        sys.stdout.write(f"missed: {name}\n")
    return int(bool(missed(figures)))


if __name__ == "__main__":
    sys.exit(main())
