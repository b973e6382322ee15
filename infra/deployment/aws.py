"""AWS as a target: everything that the stage's file asks for, in the operator's account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headrace.errors import DeploymentFailed
from headrace.ops.clock import Clock
from infra.deployment import cloud, published_names
from infra.deployment.cloud import Cloud
from infra.published import Published
from infra.stacks.stage import Stage

_VARIABLES = {
    "HEADRACE_STREAM": Published.EVENTS_STREAM,
    "HEADRACE_ERROR_STREAM": Published.ERRORS_STREAM,
    "HEADRACE_ARCHIVE_BUCKET": Published.ARCHIVE_BUCKET,
    "HEADRACE_WAREHOUSE_URL": Published.WAREHOUSE_API_URL,
}
"""What the operator's commands are told of a deployed stage."""


@dataclass(frozen=True)
class Aws:
    """`environ` are the operator's own credentials; the region is the stage file's."""

    stage: Stage
    given: Mapping[str, str]
    clock: Clock
    say: Callable[[str], None]

    def reach(self, *, start: bool = True) -> Cloud:  # noqa: ARG002  nothing of AWS's has to be started
        """The stage's region."""
        return cloud.connect(self.given, self.stage.file.region)

    def parameters(self) -> Mapping[str, str]:
        """None: what the stacks carry travels as assets."""
        return {}

    def make_ready(self) -> Mapping[str, str]:
        """None, and nothing to do."""
        return {}

    def environ(self) -> Mapping[str, str]:
        """As the stage has published. Raises DeploymentFailed when it has not."""
        reached = self.reach()
        names = published_names.read(reached, self.stage)
        if Published.EVENTS_STREAM not in names:
            raise DeploymentFailed(f"stage {self.stage.name} is not deployed in {self.stage.file.region}")
        known = {variable: names[name] for variable, name in _VARIABLES.items() if name in names}
        return {**reached.environ, **known}

    def apply_schema(self) -> None:
        """The tables, roles and users in Redshift, by the Data API."""
        raise NotImplementedError

    def run_job(self) -> None:
        """The stream job on the stage's cluster."""
        raise NotImplementedError

    def end(self) -> None:
        """Stop the job, and the cluster with it."""
        raise NotImplementedError
