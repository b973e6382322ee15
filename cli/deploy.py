"""`headrace deploy`: a stage as its file asks for it, on AWS or on the laptop."""

import click

from cli.changes_shown import draw, stores
from cli.consoles import console
from cli.exit_codes import GOOD
from cli.place import Place, tell
from cli.smoke import smoke, wait_option
from cli.staged import Site, environ_of, opened, stage_option
from headrace.errors import DeploymentFailed
from infra.deployment.deployment import Deployment


@click.command(epilog="Example: headrace deploy --stage prod")
@stage_option
@click.option("--yes", is_flag=True, help="Ask nothing; refuses where data stores are at stake.")
@wait_option
@click.pass_obj
def command(place: Place, name: str, wait: float, *, yes: bool) -> int:
    """Deploy a stage: its stacks, the warehouse's schema and the stream job; then prove that it works.

    First it shows who deploys where and what changes, and asks; data stores that would be replaced or
    destroyed are asked for by name. Ended at any point, Ctrl-C and kill -9 included, it is finished by
    running it again.
    """
    try:
        with opened(place, name) as site:
            _bring_up(site, yes=yes)
            site.target.apply_schema()
            site.target.run_job()
    except KeyboardInterrupt:
        tell("AWS goes on with what it has begun; the same command again finishes the rest")
        raise
    environ = environ_of(place, name)
    if "HEADRACE_WAREHOUSE_URL" not in environ:
        tell("this stage has no warehouse: nothing to prove it by")
        return GOOD
    return smoke(place, environ, wait=wait)


def _bring_up(site: Site, *, yes: bool) -> None:
    deployment = site.synthesized()
    deployment.check()
    if not deployment.is_bootstrapped():
        _confirm("The region has no CDKToolkit, the CDK's bootstrap stack, or an old one. Make it?", yes=yes)
        deployment.bootstrap()
    deployment.mend()
    parameters = site.target.make_ready()
    found = deployment.view(parameters)
    console().print(draw(found))
    _tell_strangers(deployment)
    if not found:
        return
    if named := stores(found):
        tell("Data stores that the service would lose:\n" + "\n".join(named))
        if yes:
            raise DeploymentFailed("--yes does not answer for data: look at it, and run it without --yes.")
        typed = click.prompt("Type the stage's name to go on", default="", show_default=False, err=True)
        if typed != site.stage.name:
            raise click.Abort
    else:
        _confirm(f"Deploy stage {site.stage.name}?", yes=yes)
    deployment.bring_up(parameters)
    site.journal.write([])  # what a destruction had left to account for is in the stacks again


def _confirm(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)


def _tell_strangers(deployment: Deployment) -> None:
    for stack in deployment.strangers():
        tell(
            f"{stack} is deployed, and the stage's file does not ask for it: it stays, and costs, until "
            f"`headrace destroy --stage {deployment.stage.name} --stack {stack}`"
        )
