"""Other Python producers with the same records, ready as bytes, into the same sink; in a Python of their own.

    .venv-bench-peers/bin/python bench/producer_peers.py boto3 --url http://127.0.0.1:4567 --records 20000

Each does as its own documentation shows. Prints one JSON object, as bench.producer_way does.
"""

import argparse
import asyncio
import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

STREAM = "events"
BATCH = 500
USERS = 10_000
ACCESS = {
    "region_name": "us-east-1",
    "aws_access_key_id": "AKID",
    "aws_secret_access_key": "x",
}

Records = list[tuple[str, bytes]]
"""Partition keys and data."""


def with_boto3(url: str, records: Records) -> None:
    """put_records, 500 at a time, in one thread."""
    client = importlib.import_module("boto3").client("kinesis", endpoint_url=url, **ACCESS)
    for at in range(0, len(records), BATCH):
        batch = [{"Data": data, "PartitionKey": key} for key, data in records[at : at + BATCH]]
        client.put_records(StreamName=STREAM, Records=batch)


async def _with_aiobotocore(url: str, records: Records) -> None:
    session = importlib.import_module("aiobotocore.session").get_session()
    access = {**ACCESS}
    async with session.create_client("kinesis", endpoint_url=url, **access) as client:
        batches = [records[at : at + BATCH] for at in range(0, len(records), BATCH)]
        for at in range(0, len(batches), 4):
            await asyncio.gather(*(_put(client, batch) for batch in batches[at : at + 4]))


async def _put(client: Any, batch: Records) -> None:  # noqa: ANN401  it has no types here
    await client.put_records(
        StreamName=STREAM, Records=[{"Data": data, "PartitionKey": key} for key, data in batch]
    )


def with_aiobotocore(url: str, records: Records) -> None:
    """put_records, 500 at a time, four requests at once."""
    asyncio.run(_with_aiobotocore(url, records))


async def _with_async_kinesis(url: str, records: Records) -> None:
    kinesis = importlib.import_module("kinesis")
    processors = importlib.import_module("kinesis.processors")
    session = importlib.import_module("aiobotocore.session").AioSession()
    session.set_credentials(ACCESS["aws_access_key_id"], ACCESS["aws_secret_access_key"])
    async with kinesis.Producer(
        stream_name=STREAM,
        endpoint_url=url,
        region_name=ACCESS["region_name"],
        session=session,
        processor=processors.StringProcessor(),
    ) as producer:
        for key, data in records:
            await producer.put(data, partition_key=key)


def with_async_kinesis(url: str, records: Records) -> None:
    """Its defaults, which hold it to 1,000 records a second and shard."""
    asyncio.run(_with_async_kinesis(url, records))


def with_kiner(url: str, records: Records) -> None:
    """Its defaults: ten threads."""
    client = importlib.import_module("boto3").client("kinesis", endpoint_url=url, **ACCESS)
    producer = importlib.import_module("kiner.producer").KinesisProducer(
        STREAM, kinesis_client=client, batch_time=1
    )
    for key, data in records:
        producer.put_record(data, partition_key=key)
    while not producer.queue.empty():
        time.sleep(0.01)
    producer.close()


PEERS: dict[str, Callable[[str, Records], None]] = {
    "boto3": with_boto3,
    "aiobotocore": with_aiobotocore,
    "async-kinesis": with_async_kinesis,
    "kiner": with_kiner,
}


def main() -> None:
    """Print the figure of one of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--url", required=True)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=200)
    arguments = parser.parse_args()
    put = PEERS[arguments.peer]
    records = [
        (f"u{n * 7919 % USERS:06d}", b'{"k":"' + b"x" * (arguments.bytes - 8) + b'"}')
        for n in range(arguments.records)
    ]
    put(arguments.url, records[: max(BATCH, len(records) // 10)])
    cpu, began = time.process_time(), time.monotonic()
    put(arguments.url, records)
    figures = {
        "records": arguments.records,
        "bytes": arguments.bytes,
        "cpu_seconds": time.process_time() - cpu,
        "seconds": time.monotonic() - began,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
