"""Where a stage runs: what has to be there before its stacks, and what is done once they are."""

from collections.abc import Mapping
from typing import Protocol

from infra.deployment.cloud import Cloud


class Target(Protocol):
    """The laptop or AWS."""

    def reach(self, *, start: bool) -> Cloud:
        """The region that the stacks go to; `start`: first start what it runs on. Raises SettingsError."""
        ...

    def parameters(self) -> Mapping[str, str]:
        """The values of the stacks' parameters that have no default."""
        ...

    def make_ready(self) -> Mapping[str, str]:
        """The same, once what they name is there and stacks can be deployed."""
        ...

    def apply_schema(self) -> None:
        """Let the warehouse have this version's tables; safe to repeat."""
        ...

    def run_job(self) -> None:
        """Start the stream job, or put this version in the place of the one that runs, and where it was."""
        ...

    def environ(self) -> Mapping[str, str]:
        """What a command needs that works on the deployed stage: streams, warehouse, credentials."""
        ...

    def end(self) -> None:
        """Stop what works on the stacks, job and cluster, before they go; safe to repeat."""
        ...
