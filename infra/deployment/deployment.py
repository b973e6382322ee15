"""One stage's deployment: what it would change, and bringing it about.

Every step looks at what is there and does the rest: a run that was cut off anywhere is finished by another.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headrace.errors import DeploymentFailed
from infra.deployment import bootstrap, change_set
from infra.deployment.assembly import Assembly
from infra.deployment.cdk_cli import CdkCli
from infra.deployment.changes import Change
from infra.deployment.cloud import Account
from infra.deployment.stacks import Stacks
from infra.stacks.stage import Stage


@dataclass(frozen=True)
class Deployment:
    """The declared stacks of a stage beside those in the account; `say` is told each step, for a person."""

    stage: Stage
    account: Account
    stacks: Stacks
    assembly: Assembly
    cli: CdkCli
    say: Callable[[str], None]

    def check(self) -> None:
        """Raises DeploymentFailed when what builds the images is not there."""
        environ = self.cli.environ
        program = environ.get("CDK_DOCKER", "docker")
        if self.assembly.images and shutil.which(program, path=environ.get("PATH")) is None:
            raise DeploymentFailed(
                f"the images of this stage are built by {program!r}, which is not installed here: install "
                "Docker, or name a program that takes its commands in CDK_DOCKER."
            )

    def is_bootstrapped(self) -> bool:
        """Whether the account has the CDK's bootstrap stack in this region."""
        return bootstrap.is_bootstrapped(self.stacks, self.assembly.bootstrap)

    def bootstrap(self) -> None:
        """Make it, or bring it up to date."""
        self.stacks.mend(bootstrap.STACK)
        self.stacks.clear(bootstrap.STACK)
        place = f"aws://{self.account.number}/{self.account.region}"
        self.cli.run("bootstrap", place, "--app", str(self.assembly.folder))

    def mend(self) -> None:
        """Let every stack that an earlier run left at work come to an end from which to go on."""
        for stack in self.assembly.stacks:
            self.stacks.mend(stack.name)

    def view(self, parameters: Mapping[str, str]) -> list[Change]:
        """What bringing the stacks up would change, in their order; nothing is changed by asking."""
        return [
            change
            for stack in self.assembly.stacks
            for change in change_set.view(self.stacks, self.account, stack, parameters)
        ]

    def bring_up(self, parameters: Mapping[str, str]) -> None:
        """Deploy all stacks; one whose making failed is removed first.

        Raises DeploymentFailed with what the CDK's command line said last.
        """
        for stack in self.assembly.stacks:
            self.stacks.clear(stack.name)
        given = [
            word
            for stack in self.assembly.stacks
            for name in stack.template.get("Parameters", {})
            if name in parameters
            for word in ("--parameters", f"{stack.name}:{name}={parameters[name]}")
        ]
        always = ("--all", "--require-approval", "never", "--progress", "events", "--concurrency", "1")
        self.cli.run("deploy", *always, "--app", str(self.assembly.folder), *given)

    def strangers(self) -> list[str]:
        """Stacks of the stage that its file no longer asks for."""
        declared = {stack.name for stack in self.assembly.stacks}
        return [name for name in self.stacks.names(self.stage.stack("")) if name not in declared]
