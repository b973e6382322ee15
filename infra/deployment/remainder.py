"""What a destroyed stage leaves behind: what is kept, keys that wait for their end, and nothing else."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from infra.deployment.changes import DATA_STORES
from infra.deployment.cloud import Cloud

_GONE = frozenset(
    {
        "404",
        "FileSystemNotFound",
        "InvalidVolume.NotFound",
        "NoSuchBucket",
        "NotFoundException",
        "ParameterNotFound",
        "ResourceNotFoundException",
    }
)


class State(StrEnum):
    """Of one resource that was in a stack of the stage."""

    THERE = "there"
    PENDING = "waiting for its deletion"
    GONE = "gone"


class Held(msgspec.Struct, frozen=True):
    """One resource of a stack; `kept`: it is to outlive the stack; `passing`: it holds nothing to keep."""

    stack: str
    name: str
    type: str
    kept: bool
    passing: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether data is lost with it."""
        return self.type in DATA_STORES and not self.kept and not self.passing

    @property
    def expected(self) -> State:
        """What it should be once the stack is gone."""
        if self.kept:
            return State.THERE
        return State.PENDING if self.type == "AWS::KMS::Key" else State.GONE


class Left(NamedTuple):
    """What one of them is."""

    held: Held
    state: State

    @property
    def expected(self) -> bool:
        """Whether it is as it should be."""
        return self.state == self.held.expected


def look(cloud: Cloud, held: Iterable[Held]) -> list[Left]:
    """What became of each; of a type that is not looked for, what CloudFormation says is believed."""
    return [Left(one, _state(cloud, one)) for one in held if one.type in _LOOKS]


def _state(cloud: Cloud, held: Held) -> State:
    import botocore.exceptions  # noqa: PLC0415  loaded with boto3 by now

    service, look_at = _LOOKS[held.type]
    try:
        return look_at(cloud.client(service), held.name)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"].get("Code", "") in _GONE:
            return State.GONE
        raise


def _by(operation: str, argument: str, *, several: bool = False) -> Callable[[Any, str], State]:
    """It is there if the operation answers."""

    def look_at(client: Any, name: str) -> State:  # noqa: ANN401  each service has a type of its own
        getattr(client, operation)(**{argument: [name] if several else name})
        return State.THERE

    return look_at


def _key(client: Any, name: str) -> State:  # noqa: ANN401  as above
    state = client.describe_key(KeyId=name)["KeyMetadata"]["KeyState"]
    return State.PENDING if state == "PendingDeletion" else State.THERE


def _log_group(client: Any, name: str) -> State:  # noqa: ANN401  as above
    found = client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return State.THERE if any(group["logGroupName"] == name for group in found) else State.GONE


def _stream(client: Any, name: str) -> State:  # noqa: ANN401  as above
    status = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]
    return State.GONE if status == "DELETING" else State.THERE


_LOOKS: Mapping[str, tuple[str, Callable[[Any, str], State]]] = {
    "AWS::DynamoDB::Table": ("dynamodb", _by("describe_table", "TableName")),
    "AWS::EC2::Volume": ("ec2", _by("describe_volumes", "VolumeIds", several=True)),
    "AWS::EFS::FileSystem": ("efs", _by("describe_file_systems", "FileSystemId")),
    "AWS::KMS::Key": ("kms", _key),
    "AWS::Kinesis::Stream": ("kinesis", _stream),
    "AWS::Lambda::Function": ("lambda", _by("get_function_configuration", "FunctionName")),
    "AWS::Logs::LogGroup": ("logs", _log_group),
    "AWS::RedshiftServerless::Namespace": ("redshift-serverless", _by("get_namespace", "namespaceName")),
    "AWS::S3::Bucket": ("s3", _by("head_bucket", "Bucket")),
    "AWS::SSM::Parameter": ("ssm", _by("get_parameter", "Name")),
}
