"""How far the readers of the local streams are: the stream job, the archive's delivery, the error desk."""

from contextlib import closing
from dataclasses import dataclass

from headrace.ops.clock import Clock
from headrace.warehouse import desk
from headrace.warehouse.warehouse import connect
from infra.local import streams
from infra.local.delivery import progress
from infra.local.state import State


@dataclass(frozen=True)
class Readers:
    """Compares what each has done with the streams' ends."""

    state: State
    clock: Clock

    def counted(self) -> bool:
        """Whether the stream job has committed everything on `events`."""
        environ = self.state.read_env()
        kinesis, name = streams.client(environ), environ["HEADRACE_STREAM"]
        with closing(connect(environ["HEADRACE_WAREHOUSE_URL"], self.clock)) as warehouse:
            done = warehouse.progress(streams.identity(kinesis, name))
        return streams.read_to_the_end(kinesis, name, {shard.shard: shard.position for shard in done})

    def archived(self) -> bool:
        """Whether the delivery has archived everything on both streams."""
        return not progress.undelivered(self.state.root, streams.client(self.state.read_env()))

    def merged(self) -> bool:
        """Whether the error desk has merged everything on `errors`."""
        environ = self.state.read_env()
        kinesis, name = streams.client(environ), environ["HEADRACE_ERROR_STREAM"]
        done = desk.positions(environ["HEADRACE_WAREHOUSE_URL"], streams.identity(kinesis, name))
        return streams.read_to_the_end(kinesis, name, done)
