"""A small stage whose assembly is written by hand: real stacks, deployed and destroyed within seconds."""

import hashlib
import json
from pathlib import Path
from typing import Any

from infra.deployment.assembly import Assembly
from infra.stacks.stage_file import StageFile

NAME = "toy"
STACK = "headrace-toy-stream"
FILE = StageFile(keep_data=False)
KEPT_FILE = StageFile(keep_data=True)
_ROLE = (
    "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/cdk-hnb659fds-%s-role-${AWS::AccountId}-${AWS::Region}"
)
_BUCKET = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
_VERSION = "/cdk-bootstrap/hnb659fds/version"


def template(*, keep: bool = False, days: int = 7, name: str = "toy-events", alarm: bool = True) -> Any:
    """A stream, a versioned bucket, a bucket that empties itself, a key, a log and a published name."""
    goes, replaced = ("RetainExceptOnCreate", "Retain") if keep else ("Delete", "Delete")
    policy = {"DeletionPolicy": goes, "UpdateReplacePolicy": replaced}
    stream = {"Name": name, "ShardCount": 1}
    expiring = {"Rules": [{"Status": "Enabled", "ExpirationInDays": 7}]}
    published = {"Name": "/headrace/toy/events-stream", "Type": "String", "Value": {"Ref": "Events"}}
    resources: dict[str, Any] = {
        "Events": {"Type": "AWS::Kinesis::Stream", "Properties": stream, **policy},
        "Archive": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": "toy-archive", "VersioningConfiguration": {"Status": "Enabled"}},
            **policy,
        },
        "Staging": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": "toy-staging", "LifecycleConfiguration": expiring},
        },
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}},
            **policy,
        },
        "Log": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": "toy-log", "RetentionInDays": days},
        },
        "EventsParameter": {"Type": "AWS::SSM::Parameter", "Properties": published},
    }
    if alarm:
        resources["Topic"] = {"Type": "AWS::SNS::Topic"}
    exported = {"Value": {"Ref": "Events"}, "Export": {"Name": f"{STACK}:Events"}}
    return {"Resources": resources, "Outputs": {"Events": exported}}


def write(folder: Path, given: Any, images: Any = None) -> Assembly:
    """The assembly of one stack, as the CDK would write it."""
    folder.mkdir(parents=True, exist_ok=True)
    body = json.dumps(given)
    digest = hashlib.sha256(body.encode()).hexdigest()
    (folder / f"{STACK}.template.json").write_text(body)
    (folder / f"{STACK}.assets.json").write_text(json.dumps(_assets(digest) | {"dockerImages": images or {}}))
    (folder / "manifest.json").write_text(json.dumps(_manifest(digest)))
    (folder / "cdk.out").write_text('{"version":"55.0.0"}')
    return Assembly.read(folder)


def _assets(digest: str) -> Any:
    place = {"bucketName": _BUCKET, "objectKey": f"{digest}.json", "assumeRoleArn": _ROLE % "file-publishing"}
    source = {"path": f"{STACK}.template.json", "packaging": "file"}
    file = {"displayName": STACK, "source": source, "destinations": {"here": place}}
    return {"version": "55.0.0", "files": {digest: file}}


def _manifest(digest: str) -> Any:
    bootstrap = {"requiresBootstrapStackVersion": 6, "bootstrapStackVersionSsmParameter": _VERSION}
    stack = {
        "templateFile": f"{STACK}.template.json",
        "assumeRoleArn": _ROLE % "deploy",
        "cloudFormationExecutionRoleArn": _ROLE % "cfn-exec",
        "stackTemplateAssetObjectUrl": f"s3://{_BUCKET}/{digest}.json",
        "additionalDependencies": [f"{STACK}.assets"],
        **bootstrap,
    }
    artifacts = {
        f"{STACK}.assets": {
            "type": "cdk:asset-manifest",
            "properties": {"file": f"{STACK}.assets.json", **bootstrap},
        },
        STACK: {
            "type": "aws:cloudformation:stack",
            "environment": "aws://unknown-account/unknown-region",
            "properties": stack,
            "dependencies": [f"{STACK}.assets"],
            "displayName": STACK,
        },
    }
    return {"version": "55.0.0", "minimumCliVersion": "2.1148.0", "artifacts": artifacts}
