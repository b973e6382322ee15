"""The laptop as a target: the stream stack on the emulator, the rest as local processes."""

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.errors import LocalStackFailed
from infra.deployment import cloud
from infra.deployment.cloud import Cloud
from infra.local import deployment, emulator, environment, processes
from infra.local.stack import Stack
from infra.local.workers import JOB
from infra.stacks.stage import Stage


@dataclass(frozen=True)
class Laptop:
    """`headrace up` and a deployment work on the same emulator and the same stack, each on what it finds."""

    stage: Stage
    stack: Stack

    def reach(self, *, start: bool) -> Cloud:
        """The emulator; started, with PostgreSQL, or taken as it runs. Raises LocalStackFailed."""
        if start:
            self.stack.start_platform()
        elif processes.find(self.stack.state, emulator.NAME) is None:
            raise LocalStackFailed("no local stack runs: `headrace deploy --stage local` starts it.")
        return cloud.connect(self.environ(), self.stage.file.region)

    def parameters(self) -> Mapping[str, str]:
        """The code's place."""
        return deployment.code()

    def make_ready(self) -> Mapping[str, str]:
        """The code is uploaded, what was there before the stack is named, and a broken stack is removed."""
        return deployment.ready(self.environ(), self.stack.clock)

    def apply_schema(self) -> None:
        """The tables in PostgreSQL."""
        self.stack.say("warehouse: applying the schema")
        self.stack.prepare_tables()

    def run_job(self) -> None:
        """Start all that works on the streams; a job that runs is stopped first, and keeps its checkpoint."""
        if processes.find(self.stack.state, JOB) is not None:
            self.stack.say("stream job: stopping, to go on as this version")
            processes.stop(self.stack.state, JOB, self.stack.clock)
        self.stack.up()

    def environ(self) -> Mapping[str, str]:
        """What `.headrace/env` sets."""
        own = {"AWS_EC2_METADATA_DISABLED": "true"}
        return environment.for_child(self.stack.environ, self.stack.state.read_env()) | own

    def end(self) -> None:
        """Stop what works on the streams; emulator and PostgreSQL go on until `headrace down`."""
        self.stack.stop_workers()
