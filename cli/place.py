"""Where a command works: the caller's environment, or the local stack when that is what runs."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.settings import CommandSettings
from headrace.errors import SettingsError
from headrace.ops.clock import Clock
from headrace.ops.settings import load

if TYPE_CHECKING:
    from headrace.lake.objects import Lake
    from headrace.warehouse.reader import Reader
    from infra.local.stack import Stack
    from infra.local.state import State

_BUCKET = "HEADRACE_ARCHIVE_BUCKET"


@dataclass(frozen=True)
class Place:
    """The environment of this call; `headrace` makes it once and hands it to its commands."""

    environ: Mapping[str, str]
    clock: Clock

    @property
    def settings(self) -> CommandSettings:
        """The settings that all commands share."""
        return load(CommandSettings, self.environ)

    @property
    def state(self) -> "State":
        """The local stack's state folder."""
        from infra.local.state import State  # noqa: PLC0415  the help should not wait for it

        return State(Path(self.settings.state))

    def stack(self, say: Callable[[str], None]) -> "Stack":
        """The local stack."""
        from infra.local.stack import Stack  # noqa: PLC0415  the help should not wait for it

        return Stack(self.state, self.environ, self.clock, say)

    def warehouse_url(self, *, may_make: bool = False) -> str:
        """The warehouse to ask; the local PostgreSQL is started when it is down.

        Raises SettingsError when none is named and there is no local one, unless it may be made.
        """
        named, state = self.settings.warehouse_url, self.state
        local = state.read_env().get("HEADRACE_WAREHOUSE_URL")
        if named is not None and named != local:
            return named
        if not (may_make or state.postgres.exists()):
            raise SettingsError(
                f"no warehouse: {state.root} holds none yet (start with `headrace demo` or `headrace up`), "
                "and HEADRACE_WAREHOUSE_URL names none."
            )
        from infra.local import postgres  # noqa: PLC0415  the help should not wait for it

        return postgres.url(state, self.stack(tell).start_database())

    @contextmanager
    def analyst(self) -> Iterator["Reader"]:
        """The warehouse as an analyst sees it. Raises SettingsError."""
        from headrace.warehouse.operators import open_analyst  # noqa: PLC0415  the help should not wait for it

        with closing(open_analyst(self.warehouse_url(), self.clock, self.environ)) as reader:
            yield reader

    def mysql_url(self) -> str:
        """The MySQL to load into; the local MariaDB, started when it is down, unless one is named."""
        from batch_jobs.settings import BatchSettings  # noqa: PLC0415  the help should not wait for it

        named = load(BatchSettings, self.environ).mysql_url
        return named or self.stack(tell).start_mysql()

    def archive(self) -> "Lake":
        """The archive to ask. Raises SettingsError when none is named and no local stack runs."""
        from headrace.lake.objects import connect  # noqa: PLC0415  the help should not wait for it
        from infra.local import emulator, environment, processes  # noqa: PLC0415  the same

        named, local = self.settings.archive_bucket, self.state.read_env()
        if named is not None and (self.environ.get("AWS_ENDPOINT_URL") or named != local.get(_BUCKET)):
            return connect(named, self.environ)
        if _BUCKET not in local or processes.find(self.state, emulator.NAME) is None:
            raise SettingsError(
                f"no archive: {_BUCKET} names no bucket, and no local stack runs in {self.state.root} "
                "(start it with `headrace up`)."
            )
        return connect(local[_BUCKET], environment.for_child(self.environ, local))

    def streams_environ(self) -> Mapping[str, str]:
        """The environment for a process that reads or writes streams.

        The caller's own; the local stack's when its emulator runs and the caller names no endpoint.
        """
        from infra.local import emulator, environment, processes  # noqa: PLC0415  the help should not wait

        if self.environ.get("AWS_ENDPOINT_URL") or processes.find(self.state, emulator.NAME) is None:
            return self.environ
        tell("using the local stack (`headrace down` stops it)")
        return environment.for_child(self.environ, self.state.read_env())


def tell(text: str) -> None:
    """A line for the person, on stderr, where it does not mix with a command's result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
