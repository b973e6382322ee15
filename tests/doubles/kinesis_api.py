"""The Kinesis double's operations: what AWS answers to each request, by the documented rules."""

import base64
import random
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from headrace.ops.clock import Clock
from tests.doubles.kinesis_answers import Place, Refused, child, description, failure, summary
from tests.doubles.kinesis_faults import FailRecords, Fault, Faults, HalfOfResults, Misroute, Nothing
from tests.doubles.kinesis_stream import MAX_HASH_KEY, Shard, StoredRecord, Stream

ITERATOR_SECONDS = 300
ON_DEMAND_SHARDS = 4
MAX_REQUEST_BYTES = 10 << 20
PAGE_SHARDS = 1000

Request = Mapping[str, Any]


class KinesisApi:
    """Streams by name, and one method per operation; call it under a lock."""

    def __init__(self, clock: Clock, faults: Faults, *, seed: int = 0) -> None:
        self.clock, self.faults = clock, faults
        self.streams: dict[str, Stream] = {}
        self.throttle_writes = self.throttle_reads = False
        self.keep_encoded = False
        self.creation_seconds = 0.0
        self.page_shards = PAGE_SHARDS
        self._seed, self._random = seed, random.Random(seed)

    def now(self) -> float:
        """Seconds since 1970, to the millisecond."""
        return round(self.clock.now().timestamp(), 3)

    def answer(self, operation: str, request: Request, fault: Fault | None) -> bytes:
        """The JSON answer. Raises Refused."""
        known = operation in OPERATIONS
        if not known:
            raise Refused("UnknownOperationException", f"{operation} is not what this double does")
        if operation == "PutRecords":
            return msgspec.json.encode(self.put_records(request, fault))
        if operation == "GetRecords":
            return self.get_records(request, fault)
        return msgspec.json.encode(OPERATIONS[operation](self, request) or {})

    # -- streams

    def stream(self, request: Request) -> Stream:
        name = request.get("StreamName") or str(request.get("StreamARN", "")).rpartition("/")[2]
        if name not in self.streams:
            raise Refused("ResourceNotFoundException", f"Stream {name} under account 000000000000 not found.")
        stream = self.streams[name]
        stream.trim(self.now())
        return stream

    def create_stream(self, request: Request) -> None:
        name = request["StreamName"]
        if name in self.streams:
            raise Refused("ResourceInUseException", f"Stream {name} already exists.")
        on_demand = request.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND"
        shards = ON_DEMAND_SHARDS if on_demand else request.get("ShardCount", 0)
        if shards < 1:
            raise Refused("ValidationException", "ShardCount must be at least 1 for a provisioned stream")
        stream = Stream(name, shards, self.now(), on_demand=on_demand, seed=self._seed)
        stream.max_record_bytes = request.get("MaxRecordSizeInKiB", 1024) << 10
        stream.active_at = self.now() + self.creation_seconds
        self.streams[name] = stream

    def delete_stream(self, request: Request) -> None:
        del self.streams[self.stream(request).name]

    def set_retention(self, request: Request) -> None:
        self.stream(request).retention_hours = request["RetentionPeriodHours"]

    def update_max_record_size(self, request: Request) -> None:
        size = request["MaxRecordSizeInKiB"]
        if not 1024 <= size <= 10_240:
            raise Refused("ValidationException", "maxRecordSizeInKiB must be between 1024 and 10240")
        self.stream(request).max_record_bytes = size << 10

    def describe_stream_summary(self, request: Request) -> dict[str, Any]:
        return {"StreamDescriptionSummary": summary(self.stream(request), self.now())}

    def describe_stream(self, request: Request) -> dict[str, Any]:
        stream = self.stream(request)
        shards = [description(shard) for shard in stream.shards.values()]
        return {
            "StreamDescription": {**summary(stream, self.now()), "Shards": shards, "HasMoreShards": False}
        }

    # -- shards

    def list_shards(self, request: Request) -> dict[str, Any]:
        if token := request.get("NextToken"):
            if "StreamName" in request:
                raise Refused(
                    "InvalidArgumentException", "NextToken and StreamName cannot be provided together."
                )
            name, after, issued = msgspec.json.decode(base64.b64decode(token))
            if self.now() - issued > ITERATOR_SECONDS:
                raise Refused("ExpiredNextTokenException", "NextToken expired.")
        else:
            name, after = request.get("StreamName"), request.get("ExclusiveStartShardId", "")
        stream = self.stream({**request, "StreamName": name})
        shards = [shard for shard in stream.shards.values() if shard.shard_id > after]
        if request.get("ShardFilter", {}).get("Type") == "AT_LATEST":
            shards = [shard for shard in shards if shard.ending is None]
        page = shards[: min(request.get("MaxResults", self.page_shards), self.page_shards)]
        answer: dict[str, Any] = {"Shards": [description(shard) for shard in page]}
        if len(page) < len(shards):
            rest = msgspec.json.encode((stream.name, page[-1].shard_id, self.now()))
            answer["NextToken"] = base64.b64encode(rest).decode()
        return answer

    def split_shard(self, request: Request) -> None:
        stream = self.stream(request)
        shard = self._open_shard(stream, request["ShardToSplit"])
        middle = int(request["NewStartingHashKey"])
        if not shard.first < middle <= shard.last:
            raise Refused("InvalidArgumentException", f"NewStartingHashKey {middle} is not inside the shard.")
        stream.replace([shard], [(shard.first, middle - 1), (middle, shard.last)], self.now())

    def merge_shards(self, request: Request) -> None:
        stream = self.stream(request)
        pair = [self._open_shard(stream, request[n]) for n in ("ShardToMerge", "AdjacentShardToMerge")]
        low, high = sorted(pair, key=lambda shard: shard.first)
        if low.last + 1 != high.first:
            raise Refused("InvalidArgumentException", "The shards are not adjacent.")
        stream.replace(pair, [(low.first, high.last)], self.now())

    def _shard(self, stream: Stream, shard_id: str) -> Shard:
        if shard_id not in stream.shards:
            raise Refused("ResourceNotFoundException", f"Shard {shard_id} in stream {stream.name} not found.")
        return stream.shards[shard_id]

    def _open_shard(self, stream: Stream, shard_id: str) -> Shard:
        shard = self._shard(stream, shard_id)
        if shard.ending is not None:
            raise Refused("InvalidArgumentException", f"Shard {shard_id} is not open.")
        return shard

    # -- writing

    def put_record(self, request: Request) -> dict[str, Any]:
        result: dict[str, Any] = self.put_records({**request, "Records": [request]}, None)["Records"][0]
        if "ErrorCode" in result:
            raise Refused(result["ErrorCode"], result["ErrorMessage"])
        return result

    def put_records(self, request: Request, fault: Fault | None) -> dict[str, Any]:
        stream, entries = self.stream(request), request["Records"]
        if not 1 <= len(entries) <= 500:
            raise Refused("ValidationException", "records: Member must have length between 1 and 500")
        parsed = [self._entry(stream, at, entry) for at, entry in enumerate(entries)]
        if sum(len(data) + len(key) for key, _, data in parsed) > MAX_REQUEST_BYTES:
            raise Refused("InvalidArgumentException", "Records size exceeds 10 MB limit")
        failing = fault if isinstance(fault, FailRecords) else FailRecords(frozenset())
        results = []
        for at, entry in enumerate(parsed):
            if failing.which is None or at in failing.which:
                results.append(failure(failing.code))
            elif code := self.faults.failing_code():
                results.append(failure(code))
            else:
                results.append(self._write(stream, *entry))
        if isinstance(fault, Misroute):
            results = [{**r, "ShardId": fault.shard_id} if "ShardId" in r else r for r in results]
        if isinstance(fault, HalfOfResults):
            results = results[: len(results) // 2]
        failed = sum("ErrorCode" in result for result in results)
        return {"FailedRecordCount": failed, "Records": results, "EncryptionType": "NONE"}

    def _entry(self, stream: Stream, at: int, entry: Request) -> tuple[str, str | None, bytes]:
        key, hash_key = entry.get("PartitionKey", ""), entry.get("ExplicitHashKey")
        data = base64.b64decode(entry["Data"])
        where = f"Value at 'records.{at + 1}.member' failed to satisfy constraint:"
        if not 1 <= len(key) <= 256:
            raise Refused("ValidationException", f"{where} partitionKey must have length 1 to 256")
        if len(data) + len(key.encode()) > stream.max_record_bytes:
            raise Refused(
                "ValidationException", f"{where} data must have length at most {stream.max_record_bytes}"
            )
        if hash_key is not None and not (hash_key.isdecimal() and int(hash_key) <= MAX_HASH_KEY):
            raise Refused("InvalidArgumentException", f"{where} ExplicitHashKey {hash_key} is out of range")
        return key, hash_key, data

    def _write(self, stream: Stream, key: str, hash_key: str | None, data: bytes) -> dict[str, Any]:
        shard, now = stream.shard_for(key, hash_key), self.now()
        if self.throttle_writes and not shard.allows(now, write_records=1, write_bytes=len(data) + len(key)):
            return failure("ProvisionedThroughputExceededException")
        record = stream.append(shard, key, hash_key, data, now)
        return {"SequenceNumber": str(record.sequence), "ShardId": shard.shard_id}

    # -- reading

    def get_shard_iterator(self, request: Request) -> dict[str, Any]:
        stream = self.stream(request)
        shard = self._shard(stream, request["ShardId"])
        start = request["ShardIteratorType"]
        if start == "TRIM_HORIZON":
            position = 0
        elif start == "LATEST":
            position = stream.next_sequence()
        elif start == "AT_TIMESTAMP":
            found = (r.sequence for r in shard.records if r.arrival >= request["Timestamp"])
            position = next(found, None) or stream.next_sequence()
        else:
            number = self._sequence_number(shard, request.get("StartingSequenceNumber", ""))
            position = number + (start == "AFTER_SEQUENCE_NUMBER")
        return {"ShardIterator": self._iterator(stream, shard, position)}

    def _sequence_number(self, shard: Shard, text: str) -> int:
        number = int(text) if text.isdecimal() else -1
        if number < shard.starting or (shard.ending is not None and number > shard.ending):
            raise Refused(
                "InvalidArgumentException",
                f"StartingSequenceNumber {text} used in GetShardIterator on shard {shard.shard_id} "
                "is invalid because it did not come from this shard.",
            )
        return number

    def _iterator(self, stream: Stream, shard: Shard, position: int) -> str:
        place = Place(stream.name, stream.created, shard.shard_id, str(position), self.now())
        return base64.b64encode(msgspec.json.encode(place)).decode()

    def _place(self, token: str) -> tuple[Stream, Shard, int]:
        try:
            place = msgspec.json.decode(base64.b64decode(token), type=Place)
        except (ValueError, msgspec.DecodeError) as error:
            raise Refused("InvalidArgumentException", "Invalid ShardIterator.") from error
        if self.now() - place.issued > ITERATOR_SECONDS:
            raise Refused("ExpiredIteratorException", "Iterator expired: it is older than 300000 ms.")
        stream = self.stream({"StreamName": place.stream})
        if stream.created != place.created:
            raise Refused("InvalidArgumentException", "The ShardIterator is of a stream that is no more.")
        return stream, self._shard(stream, place.shard_id), int(place.position)

    def get_records(self, request: Request, fault: Fault | None) -> bytes:
        limit = request.get("Limit", 10_000)
        if not 1 <= limit <= 10_000:
            raise Refused("ValidationException", "limit must be between 1 and 10000")
        stream, shard, position = self._place(request["ShardIterator"])
        if self.throttle_reads and not shard.allows(self.now(), read_calls=1, read_bytes=0):
            raise Refused("ProvisionedThroughputExceededException", f"Rate exceeded for {shard.shard_id}.")
        records = [] if isinstance(fault, Nothing) else shard.read(position, limit)
        shard.charge(read_bytes=sum(record.size for record in records))
        position = records[-1].sequence + 1 if records else position
        return self._records_answer(stream, shard, position, records)

    def _records_answer(
        self, stream: Stream, shard: Shard, position: int, records: list[StoredRecord]
    ) -> bytes:
        unread = shard.next_after(position)
        behind = 0 if unread is None else max(1, round((self.now() - unread.arrival) * 1000))
        rest: dict[str, Any] = {"MillisBehindLatest": behind}
        if shard.ending is not None and unread is None:
            rest["ChildShards"] = [child(one) for one in shard.children]
        else:
            rest["NextShardIterator"] = self._iterator(stream, shard, position)
        body = b",".join(record.wire(keep=self.keep_encoded) for record in records)
        return b'{"Records":[' + body + b"]," + msgspec.json.encode(rest)[1:]


OPERATIONS: dict[str, Callable[..., Any]] = {
    "CreateStream": KinesisApi.create_stream,
    "DeleteStream": KinesisApi.delete_stream,
    "DescribeStream": KinesisApi.describe_stream,
    "DescribeStreamSummary": KinesisApi.describe_stream_summary,
    "GetRecords": KinesisApi.get_records,
    "GetShardIterator": KinesisApi.get_shard_iterator,
    "IncreaseStreamRetentionPeriod": KinesisApi.set_retention,
    "DecreaseStreamRetentionPeriod": KinesisApi.set_retention,
    "ListShards": KinesisApi.list_shards,
    "MergeShards": KinesisApi.merge_shards,
    "PutRecord": KinesisApi.put_record,
    "PutRecords": KinesisApi.put_records,
    "SplitShard": KinesisApi.split_shard,
    "UpdateMaxRecordSize": KinesisApi.update_max_record_size,
}
