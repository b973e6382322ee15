"""What holds in every stack of every stage."""

import json
import os
import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_by_config  # type: ignore[import-untyped]
from cfnlint.config import ManualArgs  # type: ignore[import-untyped]

from infra import app
from infra.local import deployment
from infra.stacks.stage import LOCAL, Stage
from tests.infra.synthesis import (
    ON_AWS,
    STAGES,
    Template,
    every,
    listed,
    of_type,
    plain,
    stand_ins,
    statements,
    synthesized,
    unhashed,
)
from tests.infra.wildcards import WILDCARDS

pytestmark = pytest.mark.xdist_group("cdk")

SNAPSHOTS = Path(__file__).with_name("snapshots")

UNLINTED = {
    "W3010": "the zones are those of the stage file, so that a template is the same wherever it is made",
    "W3005": "the CDK writes a function's dependency on its role beside the reference that implies it",
}

UNDER_THE_KEY_OF_S3 = {
    "AccessLogs": "S3 writes access logs under no other key",
}


def kms_bucket(bucket: Template) -> object:
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")


def kms_disks(machine: Template) -> bool:
    return all(
        disk["Ebs"]["Encrypted"] is True for disk in machine.get("BlockDeviceMappings", []) if "Ebs" in disk
    ) and bool(machine.get("BlockDeviceMappings"))


STORES: dict[str, Callable[[Template], object]] = {
    "AWS::S3::Bucket": kms_bucket,
    "AWS::Kinesis::Stream": lambda stream: stream["StreamEncryption"]["KeyId"],
    "AWS::KinesisFirehose::DeliveryStream": lambda delivery: delivery["ExtendedS3DestinationConfiguration"][
        "EncryptionConfiguration"
    ]["KMSEncryptionConfig"]["AWSKMSKeyARN"],
    "AWS::DynamoDB::Table": lambda table: table["SSESpecification"]["KMSMasterKeyId"],
    "AWS::EFS::FileSystem": lambda system: system["Encrypted"] and system["KmsKeyId"],
    "AWS::EC2::Volume": lambda volume: volume["Encrypted"] and volume["KmsKeyId"],
    "AWS::EC2::Instance": kms_disks,
    "AWS::EC2::LaunchTemplate": lambda template: kms_disks(template["LaunchTemplateData"]),
    "AWS::Logs::LogGroup": lambda group: group["KmsKeyId"] and group["RetentionInDays"],
    "AWS::SNS::Topic": lambda topic: topic["KmsMasterKeyId"],
    "AWS::SQS::Queue": lambda queue: queue["KmsMasterKeyId"],
    "AWS::RedshiftServerless::Namespace": lambda namespace: namespace["KmsKeyId"],
    "AWS::SecretsManager::Secret": lambda secret: secret["KmsKeyId"],
}
"""By type what must be said in its properties, so that what it holds is encrypted with a key of ours."""

LOOKS_LIKE_A_STORE = re.compile(
    r"::(Bucket|Stream|DeliveryStream|GlobalTable|Table|FileSystem|Volume|Instance|LaunchTemplate|LogGroup|Topic"
    r"|Queue|Secret|DBInstance|DBCluster|CacheCluster|ReplicationGroup|Namespace|Repository)$"
)
NO_STORES = {
    "AWS::Glue::Table": "a description of objects in the archive",
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_templates_are_those_that_were_reviewed(stage: str) -> None:
    found = {part: as_reviewed(template) for part, template in synthesized(stage).templates.items()}
    if stage == LOCAL:
        assert deployment.TEMPLATE.read_text() == app.text_of(synthesized(stage).templates["stream"]), (
            "run `make template`"
        )
        return
    if os.environ.get("HEADRACE_WRITE_SNAPSHOT"):
        for old in SNAPSHOTS.glob(f"{stage}.*.json"):
            old.unlink()
        for part, text in found.items():
            (SNAPSHOTS / f"{stage}.{part}.json").write_text(text)
    reviewed = {path.name.split(".")[1]: path.read_text() for path in SNAPSHOTS.glob(f"{stage}.*.json")}
    assert reviewed.keys() == found.keys()
    for part, text in found.items():
        assert reviewed[part] == text, f"{stage}.{part}: look at the difference, then run `make template`"


def as_reviewed(template: Template) -> str:
    return re.sub(r"[0-9a-f]{64}", "<hash>", app.text_of(template))


def test_no_policy_has_a_wildcard_without_a_reason() -> None:
    found: dict[str, set[tuple[str, str]]] = {}
    for _, part, template in every():
        found.setdefault(part, set()).update(
            (kind, text)
            for kind, statement in statements(template)
            for text in map(plain, [*listed(statement["Action"]), *listed(statement.get("Resource", []))])
            if "*" in text
        )
    assert {part: some for part, some in found.items() if some} == {
        part: set(reasons) for part, reasons in WILDCARDS.items()
    }
    assert all(reason for reasons in WILDCARDS.values() for reason in reasons.values())


NAMED_LATER = {
    "ecs:Poll",
    "ecs:StartTelemetrySession",
    "ecs:UpdateContainerInstancesState",
    "ssm:UpdateInstanceInformation",
}
"""Of machines, which a condition narrows down to the cluster's, or which do it for themselves alone."""


def test_actions_are_allowed_on_what_they_work_on_and_on_everything_only_where_that_is_nothing() -> None:
    known = json.loads((resources.files("cfnlint") / "data/AdditionalSpecs/Policies.json").read_text())
    for stage, part, template in every(ON_AWS):
        for kind, statement in statements(template):
            if kind == "AWS::IAM::Policy":
                on_everything = statement["Resource"] == "*"
                for action in set(listed(statement["Action"])) - NAMED_LATER:
                    service, name = action.split(":")
                    works_on = known[service]["Actions"][name.lower()].get("Resources", [])
                    assert bool(works_on) != on_everything, (stage, part, action)


def test_policies_name_what_is_allowed_and_never_what_is_not() -> None:
    for stage, part, template in every():
        for kind, statement in statements(template):
            assert not {"NotAction", "NotResource", "NotPrincipal"} & statement.keys(), (stage, part, kind)


def test_only_what_is_denied_concerns_everybody() -> None:
    for stage, part, template in every():
        for kind, statement in statements(template):
            if statement["Effect"] == "Allow" and kind != "AWS::EC2::VPCEndpoint":
                assert "*" not in json.dumps(statement.get("Principal", {})), (stage, part, kind)


def stores() -> Iterator[tuple[str, str, str, Template]]:
    """(where, type, logical id, properties) of what holds data on AWS."""
    for stage, part, template in every(ON_AWS):
        for name, resource in template["Resources"].items():
            if resource["Type"] in STORES:
                yield f"{stage}.{part}", resource["Type"], unhashed(name), resource["Properties"]


def test_everything_at_rest_is_encrypted_with_a_key_of_ours() -> None:
    open_ones = set()
    for where, kind, name, properties in stores():
        try:
            is_encrypted = bool(STORES[kind](properties))
        except KeyError:
            is_encrypted = False
        if not is_encrypted:
            open_ones.add((where, kind, name))
    allowed = {name for _, kind, name in open_ones if kind == "AWS::S3::Bucket"}
    assert allowed == set(UNDER_THE_KEY_OF_S3)
    assert [one for one in open_ones if one[2] not in UNDER_THE_KEY_OF_S3] == []


def test_what_looks_like_a_store_is_looked_at() -> None:
    found = {
        resource["Type"]
        for _, _, template in every(ON_AWS)
        for resource in template["Resources"].values()
        if LOOKS_LIKE_A_STORE.search(resource["Type"])
    }
    assert found <= {*STORES, *NO_STORES}


def test_every_key_rotates() -> None:
    for where, _, template in every():
        for key in of_type(template, "AWS::KMS::Key").values():
            assert key["EnableKeyRotation"] is True, where


def test_every_bucket_is_private_and_lets_in_nobody_without_tls() -> None:
    for stage, part, template in every(ON_AWS):
        refused = {
            plain(policy["Bucket"])
            for policy in of_type(template, "AWS::S3::BucketPolicy").values()
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
            and statement["Action"] == "s3:*"
            and statement["Principal"] == {"AWS": "*"}
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        }
        for name, bucket in of_type(template, "AWS::S3::Bucket").items():
            assert f"<{unhashed(name)}>" in refused, (stage, part, name)
            assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
            assert len(bucket["PublicAccessBlockConfiguration"]) == 4
            assert "AccessControl" not in bucket


def test_what_holds_data_outlives_its_stack_where_the_stage_file_says_so() -> None:
    for where, kind, name, kept in kept_or_not():
        keep_data = Stage.read(where.split(".")[0]).file.keep_data
        assert kept == keep_data, (where, kind, name)


HOLDS_DATA = {  # DynamoDB's tables hold leases alone: how far a shard is merged is in the warehouse
    "AWS::S3::Bucket",
    "AWS::Kinesis::Stream",
    "AWS::EFS::FileSystem",
    "AWS::EC2::Volume",
    "AWS::RedshiftServerless::Namespace",
    "AWS::KMS::Key",
}


KEPT_OR_NOT = {  # what could not be made is empty, and is not kept
    ("RetainExceptOnCreate", "Retain"): True,
    ("Delete", "Delete"): False,
}


def kept_or_not() -> Iterator[tuple[str, str, str, bool]]:
    """(where, type, logical id, whether it is kept) of what holds data."""
    for stage, part, template in every(ON_AWS):
        for name, resource in template["Resources"].items():
            if resource["Type"] in HOLDS_DATA:
                policies = resource["DeletionPolicy"], resource["UpdateReplacePolicy"]
                yield f"{stage}.{part}", resource["Type"], name, KEPT_OR_NOT[policies]


def test_no_stack_has_a_resource_that_runs_code_while_it_is_deployed() -> None:
    for stage, part, template in every():
        kinds = {resource["Type"] for resource in template["Resources"].values()}
        assert not [kind for kind in kinds if kind.startswith("Custom::") or "CustomResource" in kind], (
            stage,
            part,
        )


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    seen: dict[str, str] = {}
    for stage, part, template in every():
        seen.setdefault(app.text_of(template), f"{stage}.{part}.json")
    for text, name in seen.items():
        (tmp_path / name).write_text(text)
    asked: Any = {
        "templates": [str(tmp_path / name) for name in seen.values()],
        "regions": ["us-east-1"],
        "ignore_checks": list(UNLINTED),
    }
    found = lint_by_config(ManualArgs(**asked))
    assert [(Path(str(one.filename)).name, one.rule.id, one.message) for one in found] == []


@pytest.mark.parametrize("stage", ON_AWS)
def test_cdk_nag_finds_nothing_but_what_is_accepted_where_it_is(stage: str) -> None:
    report = synthesized(stage).report
    assert report["violations"] == []
    for accepted in report["suppressedViolations"]:
        assert accepted["reason"].endswith("."), accepted
        assert "/" in accepted["acknowledgedAt"], "accepted at a construct, not for a whole stack"


def test_a_finding_that_nobody_accepts_fails_the_synthesis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artefacts = stand_ins(tmp_path)
    synthesized(LOCAL)
    from infra.stacks import accepted  # noqa: PLC0415  after its Node is chosen

    monkeypatch.setattr(accepted, "_acknowledge", lambda *_: None)
    with pytest.raises(RuntimeError):
        app.synthesize(Stage("prod"), str(tmp_path / "assembly"), artefacts)
    (told,) = json.loads((tmp_path / "assembly/validation-report.json").read_text())["pluginReports"]
    found = {finding["ruleName"] for finding in told["violations"]}
    assert "AwsSolutions-KDF1" in found
