"""What KCL's daemon says to a shard's process, and how it takes the answers; written from its protocol.

Like the real one it skips lines that are no JSON; the test sees them in `skipped`.
"""

import base64
import io
import json
import os
import threading
from collections.abc import Callable
from typing import IO, Any, Self

from amazon_kclpy import kcl

from stream_jobs.error_desk.processor import RecordProcessor
from stream_jobs.error_desk.shard import Shard

ARRIVAL_MS = 1_795_262_400_000  # 2026-11-21T12:00:00Z
SHARD = "shardId-000000000000"

Checkpoint = tuple[str | None, int | None]


class ChildEnded(Exception):
    """The process closed its pipe instead of answering."""


class StandIn:
    """Speaks with one process over its two pipes; `refusals` answer its next checkpoints."""

    def __init__(self, to_child: IO[str], from_child: IO[str]) -> None:
        self._to, self._from = to_child, from_child
        self.refusals: list[str] = []
        self.checkpoints: list[Checkpoint] = []
        self.skipped: list[str] = []

    def initialize(self, shard: str = SHARD) -> Self:
        self.call("initialize", shardId=shard, sequenceNumber="TRIM_HORIZON", subSequenceNumber=0)
        return self

    def deliver(self, *data: bytes, first: int = 1, behind_ms: int = 0) -> list[Checkpoint]:
        """Records of their own, with sequence numbers from `first` on."""
        records = [record(content, number) for number, content in enumerate(data, start=first)]
        return self.process(records, behind_ms)

    def process(self, records: list[dict[str, Any]], behind_ms: int = 0) -> list[Checkpoint]:
        return self.call("processRecords", records=records, millisBehindLatest=behind_ms)

    def call(self, action: str, **fields: Any) -> list[Checkpoint]:
        """Make a call and wait for its answer; the checkpoints that the process asked for meanwhile."""
        before = len(self.checkpoints)
        self._send({"action": action} | fields)
        while (answer := self._answer())["action"] != "status":
            assert answer["action"] == "checkpoint"
            place = answer["sequenceNumber"], answer["subSequenceNumber"]
            self.checkpoints.append(place)
            refusal = self.refusals.pop(0) if self.refusals else None
            self._send(answer | {"error": refusal})
        assert answer["responseFor"] == action
        return self.checkpoints[before:]

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._to.write(json.dumps(message) + "\n")
            self._to.flush()
        except BrokenPipeError:
            raise ChildEnded from None

    def _answer(self) -> dict[str, Any]:
        for line in self._from:
            try:
                answer: dict[str, Any] = json.loads(line)
            except json.JSONDecodeError:
                self.skipped += [line] if line.strip() else []
            else:
                return answer
        raise ChildEnded


class InThread(StandIn):
    """The same around a processor in a thread of this process; `code` is what it exits with."""

    def __init__(self, open_shard: Callable[[str], Shard]) -> None:
        child_in, to_child = (os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw", strict=True))
        from_child, child_out = (os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw", strict=True))
        super().__init__(to_child, from_child)
        self._pipes = (to_child, from_child)
        self.code: object = None
        self.said = io.StringIO()
        process = kcl.KCLProcess(RecordProcessor(open_shard), child_in, child_out, self.said)

        def run() -> None:
            with child_in, child_out:
                try:
                    process.run()
                except SystemExit as end:
                    self.code = end.code

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Close the pipe, as a daemon does that ends or is killed."""
        for pipe in self._pipes:
            pipe.close()
        self._thread.join(20)
        assert not self._thread.is_alive()


def record(data: bytes, number: int, sub: int = 0, arrival_ms: int = ARRIVAL_MS) -> dict[str, Any]:
    return {
        "action": "record",
        "sequenceNumber": f"{number:021d}",
        "subSequenceNumber": sub,
        "approximateArrivalTimestamp": arrival_ms,
        "partitionKey": "a key",
        "data": base64.b64encode(data).decode(),
    }
