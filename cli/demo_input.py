"""What a demo sends: one log that is replayed, or the inputs of a settings file for a while."""

import sys
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import SourceUnreadable
from headrace.schemas.registry import OUTPUTS
from producers.configuration import Input, of_file
from producers.reading.input_file import InputFile

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/access.log"


@dataclass(frozen=True)
class Replay:
    """A log, to its end; `speed` is in lines per second, `rebased`: its times are moved to now."""

    log: Path
    rebased: bool
    speed: float | None
    seconds: float | None = None

    @property
    def title(self) -> str:
        """What it does."""
        return f"replaying {self.log}"

    @property
    def remedy(self) -> str:
        """How its records would not count as late; empty where all is done for it."""
        return "" if self.rebased else "REBASE=now moves the log's times to now."

    @property
    def watched(self) -> list[str]:
        """The output to show while it runs: the one that changes most."""
        return ["web_traffic_1m"]

    def check(self) -> None:
        """Raise SourceUnreadable for what is no log, or an empty one."""
        file = InputFile(self.log)
        try:
            if not file.read(1):
                raise SourceUnreadable(f"{self.log} is empty: there is nothing to replay")
        finally:
            file.close()

    def command(self) -> list[str]:
        """The producer."""
        options = ["--rebase=now"] if self.rebased else []
        options += [f"--rate={self.speed:g}"] if self.speed else []
        return [sys.executable, "-m", "producers", "file", str(self.log), *options]


@dataclass(frozen=True)
class Feeds:
    """The inputs of a settings file, side by side, for some seconds."""

    config: Path
    seconds: float

    @property
    def title(self) -> str:
        """What it does."""
        return f"{', '.join(it.name for it in self._inputs())} of {self.config}, for {self.seconds:g} s"

    @property
    def remedy(self) -> str:
        """How records of its logs would not count as late; empty where all is done for it."""
        logs = [it.name for it in self._inputs() if it.settings.source == "file" and not it.settings.rebase]
        return f'rebase = "now" in [inputs.{logs[0]}] moves a log\'s times to now.' if logs else ""

    @property
    def watched(self) -> list[str]:
        """The first output of each record type that comes."""
        first: dict[str, str] = {}
        for output in OUTPUTS.values():
            first.setdefault(output.record_type.name, output.name)
        types = {it.lines.record_type for it in self._inputs()}
        return [name for record_type, name in first.items() if record_type in types or None in types]

    def check(self) -> None:
        """Raise SettingsError."""
        self._inputs()

    def command(self) -> list[str]:
        """The producer."""
        return [sys.executable, "-m", "producers", "--config", str(self.config)]

    def _inputs(self) -> tuple[Input, ...]:
        return of_file(self.config, {}, {}).inputs


DemoInput = Replay | Feeds
