"""The stream stack on the emulator: the local stage's template, deployed with CloudFormation as on AWS.

What holds data outlives the stack, so a stack that is broken is deleted and made anew. Streams and a bucket
that were there before it are kept as they are: the emulator would empty a stream that it is told to make.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headrace.errors import LocalStackFailed
from headrace.ops.clock import Clock
from headrace.schemas.streams import STREAMS
from infra import bundle
from infra.local import environment

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

STACK = "headrace-local-stream"
TEMPLATE = Path(__file__).with_name("stream.template.json")
FUNCTION = "headrace-transform"
CODE_BUCKET = "headrace-code-local"
MAKE, KEEP = "make", "keep"
"""Of a parameter: whether the stack makes a stream, or the archive, or it was there before."""

_SECONDS = 60
_MOST_WORDS = 500
_POLL_SECONDS = 0.02
_WHOLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
_DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


LONGEST_BODY = 51_200
"""Characters of a template that travels in the request. Source: AWS CloudFormation, quotas."""


def template_body() -> str:
    """The template without the blanks that people read it by."""
    return json.dumps(json.loads(TEMPLATE.read_text()), separators=(",", ":"))


class Outputs(NamedTuple):
    """The names of what the stack holds."""

    events: str
    errors: str
    archive_bucket: str
    function: str


def deploy(environ: Mapping[str, str], clock: Clock, say: Callable[[str], None]) -> Outputs:
    """Bring the stack on the emulator that `environ` leads to up to date with this checkout.

    The second time it changes nothing. Raises LocalStackFailed, which says what CloudFormation said.
    """
    import botocore.exceptions  # noqa: PLC0415  slow to import, like boto3

    code = bundle.build(bundle.BUILT)
    emulator = _Emulator.at(environ, clock)
    try:
        emulator.upload(code)
        changed = emulator.bring_up(code.name)
        outputs = emulator.outputs()
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        told = str(error)[-_MOST_WORDS:]  # some repeat the whole template first
        raise LocalStackFailed(f"stack {STACK} cannot be deployed to the emulator: {told}") from error
    say(f"stack {STACK}: {'deployed' if changed else 'up to date'}")
    return outputs


def ready(environ: Mapping[str, str], clock: Clock) -> dict[str, str]:
    """Make the emulator ready for the stack to be deployed by other hands, and say with what parameters.

    The code is uploaded, and a stack that is broken is removed; a whole one is brought up to date in place.
    """
    code = bundle.build(bundle.BUILT)
    emulator = _Emulator.at(environ, clock)
    emulator.upload(code)
    kept = {} if emulator.is_whole() else emulator.begin_anew()
    return _place_of(code.name) | kept


def code() -> dict[str, str]:
    """The parameters that name the code of this checkout."""
    return _place_of(bundle.build(bundle.BUILT).name)


@dataclass(frozen=True)
class _Emulator:
    """One emulator, and what a deployment asks of it."""

    stacks: "CloudFormationClient"
    s3: "S3Client"
    kinesis: "KinesisClient"
    functions: "LambdaClient"
    clock: Clock

    @classmethod
    def at(cls, environ: Mapping[str, str], clock: Clock) -> "_Emulator":
        import boto3  # noqa: PLC0415  slow to import: only commands that talk to AWS pay for it

        session = boto3.session.Session(
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
            region_name=environ["AWS_REGION"],
        )
        endpoint = environ["AWS_ENDPOINT_URL"]
        return cls(
            session.client("cloudformation", endpoint_url=endpoint),
            session.client("s3", endpoint_url=endpoint),
            session.client("kinesis", endpoint_url=endpoint),
            session.client("lambda", endpoint_url=endpoint),
            clock,
        )

    def upload(self, code: Path) -> None:
        """The zip under its name, which changes with its content."""
        if not self._has_bucket(CODE_BUCKET):
            self.s3.create_bucket(Bucket=CODE_BUCKET)
        found = self.s3.list_objects_v2(Bucket=CODE_BUCKET, Prefix=code.name)
        if not found["KeyCount"]:
            self.s3.put_object(Bucket=CODE_BUCKET, Key=code.name, Body=code.read_bytes())

    def bring_up(self, key: str) -> bool:
        """Let the stack run the code under the key; whether anything had to be changed."""
        if self.is_whole():
            if not self._update(key):
                return False
            if self._settled() in _DONE:
                return True
        self._create(key, self.begin_anew())
        if (status := self._settled()) not in _DONE:
            raise LocalStackFailed(f"stack {STACK} on the emulator is {status}: {self._reasons()}")
        return True

    def outputs(self) -> Outputs:
        """As the stack tells them."""
        stack = self._stack()
        told = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]} if stack else {}
        return Outputs(
            told["EventsStreamName"],
            told["ErrorsStreamName"],
            told["ArchiveBucketName"],
            told["TransformFunctionName"],
        )

    def is_whole(self) -> bool:
        """Whether the stack is there with all that it tells of, so that it can be updated."""
        status = self._settled()
        return status in _WHOLE and self._holds_all()

    def begin_anew(self) -> dict[str, str]:
        """Remove what there is of the stack; the parameters by which a new one keeps what holds data."""
        if self._stack() is not None:
            self.stacks.delete_stack(StackName=STACK)
            self._settled()
        holders = {f"{name.capitalize()}Stream": self._has_stream(name) for name in STREAMS}
        holders["ArchiveBucket"] = self._has_bucket(environment.ARCHIVE_BUCKET)
        return {name: KEEP if there else MAKE for name, there in holders.items()}

    def _create(self, key: str, holders: Mapping[str, str]) -> None:
        self.stacks.create_stack(
            StackName=STACK,
            TemplateBody=template_body(),
            Parameters=_parameters({**holders, **_place_of(key)}),
            Capabilities=["CAPABILITY_IAM"],
        )

    def _update(self, key: str) -> bool:
        """Whether there is anything to change; what the stack made or kept stays so."""
        import botocore.exceptions  # noqa: PLC0415  loaded with boto3 by now

        names = ["ArchiveBucket", *(f"{name.capitalize()}Stream" for name in STREAMS)]
        same: list[ParameterTypeDef] = [{"ParameterKey": name, "UsePreviousValue": True} for name in names]
        try:
            self.stacks.update_stack(
                StackName=STACK,
                TemplateBody=template_body(),
                Parameters=[*same, *_parameters(_place_of(key))],
                Capabilities=["CAPABILITY_IAM"],
            )
        except botocore.exceptions.ClientError as error:
            if "No updates are to be performed" in str(error):
                return False
            raise
        return True

    def _stack(self) -> "StackTypeDef | None":
        import botocore.exceptions  # noqa: PLC0415  loaded with boto3 by now

        try:
            return self.stacks.describe_stacks(StackName=STACK)["Stacks"][0]
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def _settled(self) -> str:
        """The stack's status once nothing is under way; a deleted one has none. Raises LocalStackFailed."""
        deadline = self.clock.monotonic() + _SECONDS
        while (stack := self._stack()) is not None and _is_under_way(stack["StackStatus"]):
            if self.clock.monotonic() > deadline:
                raise LocalStackFailed(f"stack {STACK} is {stack['StackStatus']} for {_SECONDS} s.")
            self.clock.sleep(_POLL_SECONDS)
        return stack["StackStatus"] if stack is not None else "DELETE_COMPLETE"

    def _reasons(self) -> str:
        events = self.stacks.describe_stack_events(StackName=STACK)["StackEvents"]
        failed = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
            for event in events
            if event["ResourceStatus"].endswith("_FAILED")
        ]
        return "; ".join(failed) or "it says no reason"

    def _holds_all(self) -> bool:
        """Whether what the stack tells of is there: an emulator that was killed forgets some of it."""
        return (
            all(self._has_stream(name) for name in STREAMS)
            and self._has_bucket(environment.ARCHIVE_BUCKET)
            and self._has_function()
        )

    def _has_stream(self, name: str) -> bool:
        try:
            self.kinesis.describe_stream_summary(StreamName=name)
        except self.kinesis.exceptions.ResourceNotFoundException:
            return False
        return True

    def _has_function(self) -> bool:
        try:
            self.functions.get_function_configuration(FunctionName=FUNCTION)
        except self.functions.exceptions.ResourceNotFoundException:
            return False
        return True

    def _has_bucket(self, name: str) -> bool:
        return any(bucket["Name"] == name for bucket in self.s3.list_buckets()["Buckets"])


def _is_under_way(status: str) -> bool:
    """Nothing is done about a change set that somebody only looks at."""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def _place_of(key: str) -> dict[str, str]:
    return {"CodeBucket": CODE_BUCKET, "CodeKey": key}


def _parameters(given: Mapping[str, str]) -> "list[ParameterTypeDef]":
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
