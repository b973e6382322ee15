"""A stage: one deployment of the stacks. `local` is the laptop's emulator, every other one is on AWS."""

import re
from dataclasses import dataclass

from headrace.errors import SettingsError

LOCAL = "local"


@dataclass(frozen=True)
class Stage:
    """What differs between stages; raises SettingsError for a name that AWS would not take in its own."""

    name: str

    def __post_init__(self) -> None:
        """Refuse a name that does not fit every name that is made from it."""
        if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", self.name):
            raise SettingsError(f"a stage is named like 'prod', in at most 16 characters, not {self.name!r}.")

    @property
    def local(self) -> bool:
        """Whether it is the laptop's: names are fixed there, and what the emulator lacks is left out."""
        return self.name == LOCAL

    def fixed(self, name: str) -> str | None:
        """The name on the laptop; on AWS none, so that CloudFormation makes one up and may replace."""
        return name if self.local else None
