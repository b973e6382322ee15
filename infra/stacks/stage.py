"""A stage: one deployment of the stacks. `local` is the laptop's emulator, every other one is on AWS."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace.errors import SettingsError
from infra.stacks.stage_file import StageFile, read_stage_file

if TYPE_CHECKING:
    import aws_cdk as cdk

LOCAL = "local"


@dataclass(frozen=True)
class Stage:
    """What differs between stages; raises SettingsError for a name that AWS would not take in its own."""

    name: str
    file: StageFile = field(default_factory=StageFile)

    def __post_init__(self) -> None:
        """Refuse a name that does not fit every name that is made from it."""
        if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", self.name):
            raise SettingsError(f"a stage is named like 'prod', in at most 16 characters, not {self.name!r}.")

    @classmethod
    def read(cls, name: str) -> "Stage":
        """The stage with its file. Raises SettingsError."""
        return cls(name, read_stage_file(cls(name).name))

    @property
    def local(self) -> bool:
        """Whether it is the laptop's: names are fixed there, and what the emulator lacks is left out."""
        return self.name == LOCAL

    def fixed(self, name: str) -> str | None:
        """The name on the laptop; on AWS none, so that CloudFormation makes one up and may replace."""
        return name if self.local else None

    @property
    def data_policy(self) -> "cdk.RemovalPolicy":
        """Of whatever holds data: whether it outlives its stack, unless the stack could not be made."""
        import aws_cdk as cdk  # noqa: PLC0415  not before its Node is chosen, and no command needs it

        kept, gone = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE, cdk.RemovalPolicy.DESTROY
        return kept if self.file.keep_data else gone

    def stack(self, part: str) -> str:
        """The name of one of its stacks: `headrace-prod-stream`."""
        return f"headrace-{self.name}-{part}"

    @property
    def metrics(self) -> str:
        """The namespace of its metrics in CloudWatch, which processes are given as HEADRACE_EMF_NAMESPACE."""
        return f"headrace-{self.name}"

    def parameter(self, name: str) -> str:
        """Where in the SSM Parameter Store a published name lies: `/headrace/prod/<name>`."""
        return f"/headrace/{self.name}/{name}"
