"""The job's fold and commit over what a Kinesis double holds, without Spark; and a bucket in memory."""

import base64
import json
from collections.abc import Collection
from typing import Any, NamedTuple

import psycopg
import pyarrow as pa

from headrace.kinesis.port import Kinesis
from headrace.ops.shutdown import Shutdown
from headrace.schemas.codec import encode
from headrace.schemas.records.web_access import WebAccess
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.batch import BatchId, Exclusions, FoldedBatch
from headrace.warehouse.probe import Probe, no_probe
from headrace.warehouse.replays import Replays, Wanted
from headrace.warehouse.warehouse import connect as open_warehouse
from stream_jobs.fold.merge import merge
from stream_jobs.fold.partition import fold_partition
from stream_jobs.replay.candidates import Origin
from stream_jobs.replay.mending import Mend
from stream_jobs.replay.objects import Objects
from stream_jobs.replay.settings import ReplaySettings
from stream_jobs.replay.summary import Summary
from stream_jobs.replay.way_back import WayBack
from stream_jobs.source.rows import ARROW_SCHEMA
from tests.doubles.clock import START, ManualClock
from tests.doubles.kinesis import KinesisDouble

ALL = (Origin.WAREHOUSE, Origin.ERRORS, Origin.FAILED)


class Mill:
    """One stream, one warehouse, and the way back between them."""

    def __init__(self, url: str, kinesis: KinesisDouble, client: Kinesis, clock: ManualClock) -> None:
        self.url, self.kinesis, self.client, self.clock = url, kinesis, client, clock
        self.warehouse = open_warehouse(url, clock)
        self.warehouse.prepare(list(OUTPUTS.values()))
        self.epoch = self.warehouse.take_epoch("events")
        self.taken = 0

    def grind(self) -> None:
        """One batch of the job: whatever came since the last."""
        records = self.kinesis.records()
        new, self.taken = records[self.taken :], len(records)
        rows = pa.Table.from_pylist(
            [
                {
                    "data": record.data,
                    "streamName": "events",
                    "partitionKey": record.partition_key,
                    "sequenceNumber": str(record.sequence),
                    "approximateArrivalTimestamp": self.clock.now(),
                    "shardId": "shardId-000000000000",
                    "subSequenceNumber": 0,
                }
                for record in new
            ],
            schema=ARROW_SCHEMA,
        ).to_batches()

        def fold(exclusions: Exclusions) -> FoldedBatch:
            return merge([fold_partition(rows, 0, exclusions)], OUTPUTS)

        self.warehouse.commit(BatchId("events", "query", self.taken, str(self.taken)), self.epoch, fold)
        self.clock.advance(1)

    def way_back(
        self,
        lake: Objects | None = None,
        *,
        origins: Collection[Origin] = ALL,
        wanted: Wanted | None = None,
        mend: Mend | None = None,
        dry_run: bool = False,
        limit: int | None = None,
        stop: Shutdown | None = None,
        probe: Probe = no_probe,
    ) -> Summary:
        """One run."""
        replays = Replays(self.url, self.clock, probe=probe)
        run = WayBack(
            ReplaySettings(),
            replays,
            self.client,
            lake,
            self.clock,
            stop=stop or Shutdown(),
            mend=mend,
            dry_run=dry_run,
        )
        try:
            return run.run(origins, wanted or Wanted(), limit=limit)
        finally:
            replays.close()
            self.clock.advance(1)

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """What an analyst and the proof can see: every number of the windows and the ledger."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return {
                name: sorted(connection.execute(statement).fetchall(), key=repr)
                for name, statement in _STATE.items()
            }

    def close(self) -> None:
        self.warehouse.close()


_STATE = {
    "ranges": "SELECT source, fate, first_number, last_number FROM ledger_ranges",
    "types": "SELECT record_type, records FROM ledger_types",
    "windows": "SELECT window_start, method, records, bytes FROM web_traffic_1m",
}


class Named(NamedTuple):
    key: str


class Bucket(dict[str, bytes]):
    """Keys and bodies, listed as S3 does."""

    def list(self, prefix: str) -> list[Named]:
        return [Named(key) for key in sorted(self) if key.startswith(prefix)]

    def read(self, key: str) -> bytes:
        return self[key]


def access(number: int, source: str = "web-1/A", **fields: Any) -> bytes:
    values: dict[str, Any] = {"client_address": "203.0.113.9", "method": "GET", "path": "/", "status": 200}
    return encode(source, number, START, WebAccess(**(values | {"bytes": number} | fields)))


def spoiled(number: int, source: str = "web-1/A") -> bytes:
    """A record whose status is a text: `wrong_type`."""
    return access(number, source).replace(b'"status":200', b'"status":"200"')


def heal(record: Any) -> bytes:
    """The mending that `spoiled` asks for."""
    raw: bytes = record.raw
    return raw.replace(b'"status":"200"', b'"status":200')


def failed_line(raw: bytes, **more: object) -> bytes:
    """As Firehose writes it, keys in its order."""
    said = {
        "rawData": base64.b64encode(raw).decode(),
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "The Lambda function was successfully invoked but it returned an error result.",
        "attemptsMade": 4,
        "arrivalTimestamp": int(START.timestamp() * 1000),
        "attemptEndingTimestamp": int(START.timestamp() * 1000) + 5000,
        "lambdaARN": "arn:aws:lambda:eu-west-1:000000000000:function:headrace-transform",
    }
    return json.dumps(said | more).encode() + b"\n"
