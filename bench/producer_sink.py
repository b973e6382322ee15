"""A Kinesis that takes everything and keeps nothing, so that what is measured is who sends.

    python -m bench.producer_sink --shards 8

It prints its URL. PutRecords is answered as AWS does, each record with the shard of its key; with `--stalled`
it gets no answer until SIGUSR1 comes.
"""

import argparse
import asyncio
import signal
import sys
from hashlib import md5
from typing import Any

import msgspec

STREAM = "events"
_HASH_KEYS = 1 << 128
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n"


class _Entry(msgspec.Struct, rename="pascal"):
    """The part of a record that decides its shard; its data are skipped."""

    partition_key: str
    explicit_hash_key: str | None = None


class _Request(msgspec.Struct, rename="pascal"):
    records: list[_Entry]


_decode = msgspec.json.Decoder(_Request).decode


class Sink:
    """One stream of equal shards."""

    def __init__(self, shards: int, *, stalled: bool) -> None:
        self._names = [f"shardId-{number:012d}" for number in range(shards)]
        self._width = _HASH_KEYS // shards
        self._last = shards - 1
        self.open = asyncio.Event()
        if not stalled:
            self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = (line.partition(":") for line in head.decode().split("\r\n")[1:])
                headers = {name.lower(): value.strip() for name, _, value in lines}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                answer = await self._answer(headers.get("x-amz-target", "").rpartition(".")[2], body)
                writer.write(_HEAD % len(answer) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side has gone
        finally:
            writer.close()

    async def _answer(self, operation: str, body: bytes) -> bytes:
        if operation == "PutRecords":
            await self.open.wait()
            entries = _decode(body).records
            return msgspec.json.encode({"FailedRecordCount": 0, "Records": [self._put(e) for e in entries]})
        answers: dict[str, Any] = {
            "ListShards": {"Shards": self._shards()},
            "DescribeStreamSummary": {"StreamDescriptionSummary": self._summary()},
            "DescribeStream": {
                "StreamDescription": {**self._summary(), "Shards": self._shards(), "HasMoreShards": False}
            },
        }
        return msgspec.json.encode(answers[operation])

    def _put(self, entry: _Entry) -> dict[str, str]:
        if entry.explicit_hash_key is None:
            key = int.from_bytes(md5(entry.partition_key.encode(), usedforsecurity=False).digest())
        else:
            key = int(entry.explicit_hash_key)
        return {"SequenceNumber": "4" * 56, "ShardId": self._names[min(key // self._width, self._last)]}

    def _shards(self) -> list[dict[str, Any]]:
        ends = [(n + 1) * self._width - 1 for n in range(self._last)] + [_HASH_KEYS - 1]
        return [
            {
                "ShardId": name,
                "HashKeyRange": {"StartingHashKey": str(n * self._width), "EndingHashKey": str(end)},
                "SequenceNumberRange": {"StartingSequenceNumber": "1"},
            }
            for n, (name, end) in enumerate(zip(self._names, ends, strict=True))
        ]

    def _summary(self) -> dict[str, Any]:
        return {
            "StreamName": STREAM,
            "StreamARN": f"arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}",
            "StreamStatus": "ACTIVE",
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1.0,
            "EnhancedMonitoring": [],
            "OpenShardCount": len(self._names),
            "MaxRecordSizeInKiB": 10_240,
        }


async def run(shards: int, *, stalled: bool) -> None:
    """Serve until SIGTERM."""
    sink = Sink(shards, stalled=stalled)
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    loop.add_signal_handler(signal.SIGUSR1, sink.open.set)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=1 << 20)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await end.wait()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--stalled", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.shards, stalled=arguments.stalled))


if __name__ == "__main__":
    main()
