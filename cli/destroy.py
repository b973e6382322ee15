"""`headrace destroy`: the end of a stage, and what is left of it."""

from collections import Counter

import click
from rich.console import Group, RenderableType
from rich.text import Text

from cli.consoles import console, grid
from cli.exit_codes import FAILED, GOOD
from cli.place import Place, tell
from cli.staged import Site, opened, stage_option
from headrace.errors import DeploymentFailed
from infra.deployment.bootstrap import STACK as BOOTSTRAP
from infra.deployment.changes import DATA_STORES
from infra.deployment.destruction import Destruction
from infra.deployment.remainder import Held, Left, look


@click.command(epilog="Example: headrace destroy --stage dev")
@stage_option
@click.option("--stack", "only", metavar="STACK", help="This stack alone, such as headrace-dev-producers.")
@click.option("--yes", is_flag=True, help="Ask nothing; refuses where data would be lost.")
@click.pass_obj
def command(place: Place, name: str, only: str | None, *, yes: bool) -> int:
    """Stop the stream job and its cluster, and remove the stage's stacks.

    What holds data stays, unless the stage was deployed with `keep_data = false`, its file still says so, and
    you type the stage's name: then buckets are emptied, every version, and go too. At the end it says what is
    left. Exit code 1: that is not what should be. Ended at any point, it is finished by running it again.
    """
    with opened(place, name) as site:
        destruction = Destruction(site.stage, site.stacks, site.say)
        stacks = [stack for stack in destruction.doomed() if only in (None, stack)]
        known = list(dict.fromkeys([*site.journal.read(), *destruction.held(stacks)]))
        held = [one for one in known if only in (None, one.stack)]
        if not (stacks or held):
            tell(f"{only} is not deployed here" if only else f"nothing of stage {name} is deployed here")
            return GOOD
        destruction.check(stacks)
        console().print(_drawn(site, stacks, held))
        _ask(site, held, yes=yes)
        site.journal.write(known)
        if only in (None, site.stage.stack("cluster")):
            site.target.end()
        for stack in stacks:
            destruction.destroy(stack, held)
        code = _account(site, held)
        if code == GOOD:
            site.journal.write([one for one in known if one not in held])
        return code


def _drawn(site: Site, stacks: list[str], held: list[Held]) -> RenderableType:
    """How much goes of each stack, and every data store by its name."""
    table = grid("stacks that go")
    table.add_column("stack")
    table.add_column("resources", justify="right")
    counts = Counter(one.stack for one in held)
    for stack in dict.fromkeys([*stacks, *counts]):
        table.add_row(Text(stack), f"{counts[stack]:,}")
    stores = grid("what holds data")
    for head in ("", "name", "type"):
        stores.add_column(head)
    for one in held:
        if one.type in DATA_STORES:
            fate = Text("stays", style="green") if one.kept else Text("is destroyed", style="bold red")
            stores.add_row(fate, Text(site.account.hide(one.name)), Text(one.type))
    return Group(table, stores)


def _ask(site: Site, held: list[Held], *, yes: bool) -> None:
    """Raises DeploymentFailed where data would be lost that the stage's file keeps, or with `--yes`."""
    stage = site.stage
    if not any(one.is_lost for one in held):
        if not yes:
            click.confirm(f"Destroy stage {stage.name}?", abort=True, err=True)
        return
    if stage.file.keep_data:
        raise DeploymentFailed(
            f"stage {stage.name} is deployed without keeping its data, and its file says keep_data = true: "
            f"`headrace deploy --stage {stage.name}` first, so that it is kept."
        )
    if yes:
        raise DeploymentFailed("--yes does not answer for data: run it without --yes.")
    typed = click.prompt(
        "Its data is lost for ever. Type the stage's name to go on", default="", show_default=False, err=True
    )
    if typed != stage.name:
        raise click.Abort


def _account(site: Site, held: list[Held]) -> int:
    """Say what is left; the exit code."""
    found = look(site.cloud, held)
    expected = [left for left in found if left.expected and left.state != "gone"]
    wrong = [left for left in found if not left.expected]
    table = grid("what is left")
    for head in ("", "name", "type"):
        table.add_column(head)
    for left in expected:
        table.add_row(_state(left), Text(site.account.hide(left.held.name)), Text(left.held.type))
    if site.stacks.status(BOOTSTRAP):
        table.add_row(
            "there", Text(BOOTSTRAP), Text("the CDK's bootstrap stack, for every stage of the region")
        )
    console().print(table)
    for left in wrong:
        site.say(f"{left.held.name} ({left.held.type}) is {left.state}, and should be {left.held.expected}")
    return FAILED if wrong else GOOD


def _state(left: Left) -> Text:
    return Text("kept" if left.held.kept else str(left.state))
