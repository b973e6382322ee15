"""The folder that holds the local stack's state, `.headrace/`, and what lies where in it."""

import fcntl
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import LocalStackFailed

_ENV_HEAD = """\
# Points AWS SDKs, psql and headrace at the local stack. Made by headrace; use it with `source`.
unset AWS_PROFILE AWS_SESSION_TOKEN
"""


@dataclass(frozen=True)
class State:
    """The local stack's state below one folder; nothing outside it is ever written or removed."""

    root: Path

    @property
    def run(self) -> Path:
        """A pid file for each background process."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        """A log for each background process."""
        return self.root / "log"

    @property
    def env(self) -> Path:
        """The shell file that points an AWS SDK, `psql` and headrace itself at the stack."""
        return self.root / "env"

    @property
    def emulator(self) -> Path:
        """What the emulator keeps between its runs."""
        return self.root / "emulator"

    @property
    def postgres(self) -> Path:
        """The PostgreSQL cluster."""
        return self.root / "postgres"

    @property
    def postgres_password(self) -> Path:
        """The password of the cluster's owner, made up when the cluster is."""
        return self.root / "postgres.password"

    @property
    def mariadb(self) -> Path:
        """MariaDB's data."""
        return self.root / "mariadb"

    @property
    def mariadb_password(self) -> Path:
        """The password of its one account, made up when the data is."""
        return self.root / "mariadb.password"

    @property
    def spool(self) -> Path:
        """The spool of the producer."""
        return self.root / "spool"

    @property
    def checkpoint(self) -> Path:
        """The stream job's checkpoint."""
        return self.root / "checkpoint"

    @property
    def cache(self) -> Path:
        """The stream job's cache of records that it has read ahead."""
        return self.root / "cache"

    @property
    def spark(self) -> Path:
        """Spark's own files."""
        return self.root / "spark"

    @property
    def delivery(self) -> Path:
        """How far the archive's delivery is."""
        return self.root / "delivery"

    @property
    def error_desk(self) -> Path:
        """The error desk's own files."""
        return self.root / "error_desk"

    @property
    def deployment(self) -> Path:
        """What deployments keep of any stage: the synthesized stacks, whose turn it is, what is to go."""
        return self.root / "deployment"

    def make(self) -> None:
        """Create the folders that every command needs."""
        self.run.mkdir(parents=True, exist_ok=True)
        self.log.mkdir(exist_ok=True)

    def wipe(self) -> None:
        """Remove what the stack has written, by name: a folder given by mistake keeps its other contents."""
        services = (self.emulator, self.postgres, self.mariadb)
        begun = (self.root / "postgres.new", self.root / "mariadb.new")
        workers = (self.spool, self.checkpoint, self.cache, self.spark, self.delivery, self.error_desk)
        for folder in (self.run, self.log, *services, *begun, *workers):
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                raise LocalStackFailed(f"{folder} could not be removed: remove it, then start again.")
        for file in (self.env, self.postgres_password, self.mariadb_password):
            file.unlink(missing_ok=True)

    @contextmanager
    def exclusive(self, work: str = "stack", *, wait: bool = False) -> Iterator[None]:
        """Keep other headrace commands from the same work meanwhile.

        Raises LocalStackFailed when another one is at it and `wait` is false.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f"{work}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                raise LocalStackFailed(
                    f"another headrace command is starting or stopping the stack in {self.root}: "
                    "let it finish, or end it, and try again."
                ) from error
            yield

    def write_env(self, values: Mapping[str, str]) -> None:
        """Replace the shell file; readable by its owner only, for it holds a password."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]
        new = self.root / "env.new"
        new.touch(mode=0o600)
        new.write_text(_ENV_HEAD + "".join(lines))
        new.replace(self.env)

    def read_env(self) -> dict[str, str]:
        """What the shell file sets; empty when there is none."""
        if not self.env.exists():
            return {}
        words = shlex.split(self.env.read_text(), comments=True)
        return dict(word.split("=", 1) for word in words if "=" in word)
