"""`headrace reshard`: another count of shards for a stage's provisioned streams."""

import click

from cli.exit_codes import GOOD
from cli.place import Place, tell
from cli.staged import opened, stage_option
from headrace.errors import SettingsError
from infra.deployment.resharding import reshard, shards_of, steps
from infra.stacks.stage import LOCAL


@click.command(epilog="Example: headrace reshard --stage dev 4")
@stage_option
@click.argument("shards", type=click.IntRange(1, 1000))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(place: Place, name: str, shards: int, *, yes: bool) -> int:
    """Give each stream of the stage so many SHARDS, while everything runs.

    Streams on demand have as many as they need by themselves.
    """
    if name == LOCAL:
        raise SettingsError("the emulator loses what is in a shard that it splits: start with more shards.")
    with opened(place, name, start=False) as site:
        environ, client = site.target.environ(), site.cloud.client("kinesis")
        streams = [environ["HEADRACE_STREAM"], environ["HEADRACE_ERROR_STREAM"]]
        for stream in streams:
            now = shards_of(client, stream, place.clock)
            tell(f"{stream}: {' -> '.join(map(str, [now, *steps(now, shards)]))} shards")
        if not yes:
            click.confirm("Go on?", abort=True, err=True)
        for stream in streams:
            reshard(client, stream, shards, place.clock, tell)
    if site.stage.file.stream.shards != shards:
        tell(f"now write `shards = {shards}` into infra/stages/{name}.toml, by which deployments go")
    return GOOD
