"""A KCL consumer that writes down what it is given: one file per shard's process, a JSON line per record."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from amazon_kclpy import kcl
from amazon_kclpy.v3.processor import RecordProcessorBase


class Recorder(RecordProcessorBase):  # type: ignore[misc]  # amazon_kclpy ships no types
    def __init__(self, folder: Path) -> None:
        self._file = (folder / f"{os.getpid()}.recorded").open("w")

    def initialize(self, initialize_input: Any) -> None:
        pass

    def process_records(self, process_records_input: Any) -> None:
        for record in process_records_input.records:
            place = [record.sequence_number, record.sub_sequence_number]
            self._file.write(json.dumps([place, record.partition_key, record.data]) + "\n")
        self._file.flush()

    def lease_lost(self, lease_lost_input: Any) -> None:
        pass

    def shard_ended(self, shard_ended_input: Any) -> None:
        shard_ended_input.checkpointer.checkpoint()

    def shutdown_requested(self, shutdown_requested_input: Any) -> None:
        pass


if __name__ == "__main__":
    kcl.KCLProcess(Recorder(Path(sys.argv[1]))).run()
