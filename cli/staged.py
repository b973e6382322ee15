"""A stage as the operator's commands open it: its file, who works on it, and its stacks."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path

import click

from cli.place import Place, tell
from headrace.errors import HeadraceError
from infra.deployment.assembly import synthesize
from infra.deployment.cdk_cli import CdkCli, install
from infra.deployment.cloud import Account, Cloud, plainly
from infra.deployment.deployment import Deployment
from infra.deployment.journal import Journal
from infra.deployment.stacks import Stacks
from infra.deployment.target import Target
from infra.deployment.turn import turn
from infra.stacks.stage import Stage

stage_option = click.option(
    "--stage",
    "name",
    required=True,
    metavar="STAGE",
    help="The stage: infra/stages/STAGE.toml; `local`: here.",
)


@dataclass(frozen=True)
class Site:
    """One stage under work; `held` is the turn, an open file."""

    place: Place
    stage: Stage
    target: Target
    cloud: Cloud
    account: Account
    held: int

    @property
    def stacks(self) -> Stacks:
        """The account's stacks."""
        return Stacks(self.cloud, self.place.clock, self.say)

    @property
    def journal(self) -> Journal:
        """What a destruction that was cut off has left to account for."""
        of = f"{self.account.number}-{self.account.region}-{self.stage.name}"
        return Journal(self.place.state.deployment / f"{of}.destroying.json")

    def say(self, text: str) -> None:
        """A line for the person, without the account's number."""
        tell(self.account.hide(text))

    def synthesized(self) -> Deployment:
        """Build what the stacks carry, and synthesize them."""
        self._build()
        self.say("synthesizing the stacks")
        folder = self.place.state.deployment
        assembly = synthesize(self.stage, self.place.environ, folder / self.stage.name)
        program, home = install(self.place.environ), folder / f"cdk-{self.stage.name}"
        cli = CdkCli(
            program,
            home,
            self.cloud.environ,
            self.say,
            self.account.hide,
            holding=(self.held,),
            credentials=self.cloud.credentials,
        )
        return Deployment(self.stage, self.account, self.stacks, assembly, cli, self.say)

    def _build(self) -> None:
        from infra import app  # noqa: PLC0415  only who deploys needs it

        self.say("building what the stacks carry")
        built = app.build(self.stage)
        for field in fields(built):
            if isinstance(path := getattr(built, field.name), Path):
                self.say(f"  {path.name}")


@contextmanager
def opened(place: Place, name: str, *, start: bool = True) -> Iterator[Site]:
    """The stage, for this command alone; what AWS refuses meanwhile is one sentence.

    `start`: on the laptop, start what it runs on. Raises SettingsError, DeploymentFailed, LocalStackFailed.
    """
    stage = Stage.read(name)
    target = target_of(place, stage)
    alone = place.state.exclusive() if stage.local else nullcontext()
    with (
        alone,
        turn(place.state.deployment, stage.name, place.clock, tell) as held,
        plainly(f"stage {stage.name}"),
    ):
        cloud = target.reach(start=start)
        account = cloud.account()
        tell(f"stage {stage.name}: {account}" + (f", at {cloud.endpoint}" if cloud.endpoint else ""))
        with _hiding(account), plainly(f"stage {stage.name}"):
            yield Site(place, stage, target, cloud, account, held)


@contextmanager
def _hiding(account: Account) -> Iterator[None]:
    """No error shows the account's number either."""
    try:
        yield
    except HeadraceError as error:
        raise type(error)(account.hide(str(error))) from error


def target_of(place: Place, stage: Stage) -> Target:
    """Where the stage runs."""
    if stage.local:
        from infra.deployment.laptop import Laptop  # noqa: PLC0415  only one of the two is needed

        return Laptop(stage, place.stack(tell))
    from infra.deployment.aws import Aws  # noqa: PLC0415  as above

    return Aws(stage, place.environ, place.clock, tell)


def environ_of(place: Place, name: str) -> Mapping[str, str]:
    """What a command needs that works on the deployed stage. Raises SettingsError, DeploymentFailed."""
    stage = Stage.read(name)
    with plainly(f"stage {stage.name}"):
        target = target_of(place, stage)
        target.reach(start=False)
        return target.environ()
