"""One process synthesizes both stages once: the first synthesis takes seconds, the others milliseconds."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace.schemas.archive import DELIVERIES, TRANSFORM_BUFFER_BYTES
from headrace.schemas.streams import STREAMS
from infra import app
from infra.app import Artefacts
from infra.local import deployment
from infra.stacks.stage import Stage

pytestmark = pytest.mark.xdist_group("cdk")

SNAPSHOT = Path(__file__).with_name("stream.snapshot.json")
Template = dict[str, Any]

WILDCARDS = {
    ("AWS::KMS::Key", "*"): "in a key's own policy, the key",
    ("AWS::KMS::Key", "kms:*"): "the account's administrators decide, as in every key of AWS",
    ("AWS::S3::BucketPolicy", "s3:*"): "denied, to whoever comes without TLS",
    ("AWS::S3::BucketPolicy", "<AccessLogs>/*"): "the service names its access logs itself",
    ("AWS::S3::BucketPolicy", "<Archive>/*"): "denied, to whoever comes without TLS",
    ("AWS::IAM::Policy", "<Archive>/events/*"): "Firehose names the objects itself, below its prefix",
    ("AWS::IAM::Policy", "<Archive>/errors/*"): "the same",
    ("AWS::IAM::Policy", "<Archive>/failed/events/*"): "the same, for what failed",
    ("AWS::IAM::Policy", "<Archive>/failed/errors/*"): "the same",
}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stands in for the transform's zip, whose content no template shows."""
    path = tmp_path_factory.mktemp("function") / "transform.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("empty.py", "")
    return path


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the assembly for AWS."""
    return tmp_path_factory.mktemp("assembly")


@pytest.fixture(scope="module")
def on_aws(assembly: Path, function: Path) -> Template:
    """Synthesized under cdk-nag: an error that no construct accepts fails every test here."""
    app.use_own_node(os.environ)
    return app.synthesize(Stage("prod"), str(assembly), Artefacts(function))["stream"]


@pytest.fixture(scope="module")
def on_laptop(tmp_path_factory: pytest.TempPathFactory) -> Template:
    app.use_own_node(os.environ)
    return app.synthesize(Stage.read("local"), str(tmp_path_factory.mktemp("local")), Artefacts())["stream"]


def of_type(template: Template, kind: str) -> dict[str, Template]:
    found = template["Resources"].items()
    return {name: resource["Properties"] for name, resource in found if resource["Type"] == kind}


def plain(value: Any) -> str:
    """An ARN or a name of a template, its references written as `<Name>`."""
    match value:
        case str():
            return value
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return "<" + re.sub(r"[0-9A-F]{8}$", "", str(name)) + ">"
        case {"Fn::Join": [glue, parts]}:
            return str(glue).join(plain(part) for part in parts)
    raise AssertionError(value)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(template: Template) -> Iterator[tuple[str, Template]]:
    """Every statement of every policy, whatever kind of resource holds it, but for trust in a service."""
    for resource in template["Resources"].values():
        for name in ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument"):
            for statement in resource["Properties"].get(name, {}).get("Statement", []):
                yield resource["Type"], statement


def test_the_laptops_template_is_the_one_that_is_synthesized(on_laptop: Template) -> None:
    assert deployment.TEMPLATE.read_text() == app.text_of(on_laptop), "run `make template`"


def test_the_template_for_aws_is_the_one_that_was_reviewed(on_aws: Template) -> None:
    text = re.sub(r"[0-9a-f]{64}", "<hash>", app.text_of(on_aws))
    if os.environ.get("HEADRACE_WRITE_SNAPSHOT"):
        SNAPSHOT.write_text(text)
    assert SNAPSHOT.read_text() == text, "look at the difference, then run with HEADRACE_WRITE_SNAPSHOT=1"


def test_streams_are_as_declared_and_keep_their_records_when_the_stack_goes(on_aws: Template) -> None:
    made = of_type(on_aws, "AWS::Kinesis::Stream")
    assert {re.sub(r"[0-9A-F]{8}$", "", name).lower() for name in made} == set(STREAMS)
    for name, stream in made.items():
        declared = STREAMS[re.sub(r"[0-9A-F]{8}$", "", name).lower()]
        assert timedelta(hours=stream["RetentionPeriodHours"]) == declared.retention
        assert stream["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
        assert on_aws["Resources"][name]["DeletionPolicy"] == "Retain"


def test_the_laptop_has_the_same_streams_under_their_names(on_laptop: Template) -> None:
    made = of_type(on_laptop, "AWS::Kinesis::Stream").values()
    assert {stream["Name"] for stream in made} == set(STREAMS)
    assert {(stream["ShardCount"], stream["RetentionPeriodHours"]) for stream in made} == {(2, 365 * 24)}


def test_the_laptop_lacks_what_the_emulator_cannot_do_and_nothing_else(
    on_aws: Template, on_laptop: Template
) -> None:
    lacking = set(on_aws["Resources"]) - set(on_laptop["Resources"])
    assert set(on_laptop["Resources"]) <= set(on_aws["Resources"])
    delivery = [name for name in lacking if re.match("(Events|Errors)Delivery", name)]
    assert {on_aws["Resources"][name]["Type"] for name in delivery} == {
        "AWS::KinesisFirehose::DeliveryStream",
        "AWS::IAM::Role",
        "AWS::IAM::Policy",
        "AWS::Logs::LogGroup",
        "AWS::Logs::LogStream",
    }
    rest = {re.sub(r"[0-9A-F]{8}$", "", name) for name in lacking - set(delivery)}
    assert rest == {
        "AccessLogs",
        "AccessLogsPolicy",
        "ArchivePolicy",
        "AlarmsTransformRejects",
        *(
            f"Alarms{name.capitalize()}{what}"
            for name in DELIVERIES
            for what in ("DataFreshness", "DeliveryFails", "Partitions")
        ),
    }


def test_every_stream_function_and_delivery_has_its_alarms(on_aws: Template) -> None:
    watched = {
        (alarm["MetricName"], *(plain(dimension["Value"]) for dimension in alarm["Dimensions"]))
        for alarm in of_type(on_aws, "AWS::CloudWatch::Alarm").values()
        if "MetricName" in alarm
    }
    expected: set[tuple[str, ...]] = {(name, "<Transform>") for name in ("Errors", "Throttles", "Duration")}
    expected.add(("RecordsFailed", "transform"))
    data = set(STREAMS["events"].record_types) - {"reject.v1", "producer_status.v1"}
    expected |= {("BreakerOpen", record_type, "<Events>") for record_type in {*data, "unreadable"}}
    for name in STREAMS:
        for metric in (
            "GetRecords.IteratorAgeMilliseconds",
            "WriteProvisionedThroughputExceeded",
            "ReadProvisionedThroughputExceeded",
        ):
            expected.add((metric, f"<{name.capitalize()}>"))
    for name in DELIVERIES:
        for metric in ("DeliveryToS3.DataFreshness", "DeliveryToS3.Success", "PartitionCountExceeded"):
            expected.add((metric, f"<{name.capitalize()}DeliveryStream>"))
    assert watched == expected


def test_every_alarm_tells_someone_and_says_what_is_wrong(on_aws: Template) -> None:
    for alarm in of_type(on_aws, "AWS::CloudWatch::Alarm").values():
        assert [plain(action) for action in alarm["AlarmActions"]] == ["<AlarmsTopic>"]
        assert alarm["AlarmDescription"].endswith(".")


def test_no_policy_has_a_wildcard_without_a_reason(on_aws: Template, on_laptop: Template) -> None:
    found = {
        (kind, text)
        for template in (on_aws, on_laptop)
        for kind, statement in statements(template)
        for text in map(plain, [*listed(statement["Action"]), *listed(statement.get("Resource", []))])
        if "*" in text
    }
    assert found == set(WILDCARDS)


def test_only_what_is_denied_concerns_everybody(on_aws: Template) -> None:
    for _, statement in statements(on_aws):
        principal = statement.get("Principal", {})
        if statement["Effect"] == "Allow":
            assert "*" not in json.dumps(principal)


def test_the_transform_may_put_rejects_and_write_its_log(on_aws: Template) -> None:
    (policy,) = (
        properties["PolicyDocument"]["Statement"]
        for properties in of_type(on_aws, "AWS::IAM::Policy").values()
        if [plain(role) for role in properties["Roles"]] == ["<TransformRole>"]
    )
    may = {
        (action, plain(statement["Resource"]))
        for statement in policy
        for action in listed(statement["Action"])
    }
    assert may == {
        ("kinesis:PutRecords", "<Errors>"),
        ("kms:GenerateDataKey", "<Key>"),
        ("logs:CreateLogStream", "<TransformLog>"),
        ("logs:PutLogEvents", "<TransformLog>"),
    }


def test_everything_at_rest_is_encrypted_with_a_key_that_rotates(on_aws: Template) -> None:
    (key,) = of_type(on_aws, "AWS::KMS::Key").values()
    assert key["EnableKeyRotation"] is True
    for stream in of_type(on_aws, "AWS::Kinesis::Stream").values():
        assert plain(stream["StreamEncryption"]["KeyId"]) == "<Key>"
    for group in of_type(on_aws, "AWS::Logs::LogGroup").values():
        assert plain(group["KmsKeyId"]) == "<Key>"
        assert group["RetentionInDays"] == 90
    for topic in of_type(on_aws, "AWS::SNS::Topic").values():
        assert plain(topic["KmsMasterKeyId"]) == "<Key>"
    rules = {
        re.sub(r"[0-9A-F]{8}$", "", name): bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        for name, bucket in of_type(on_aws, "AWS::S3::Bucket").items()
    }
    assert {name: rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for name, rule in rules.items()} == {
        "Archive": "aws:kms",
        "AccessLogs": "AES256",  # S3 writes access logs under no other key
    }
    for delivery in of_type(on_aws, "AWS::KinesisFirehose::DeliveryStream").values():
        encryption = delivery["ExtendedS3DestinationConfiguration"]["EncryptionConfiguration"]
        assert plain(encryption["KMSEncryptionConfig"]["AWSKMSKeyARN"]) == "<Key>"


def test_no_bucket_is_public_and_none_is_lost_with_the_stack(on_aws: Template) -> None:
    for name, bucket in of_type(on_aws, "AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert on_aws["Resources"][name]["DeletionPolicy"] == "Retain"


def test_deliveries_are_as_declared(on_aws: Template) -> None:
    made = of_type(on_aws, "AWS::KinesisFirehose::DeliveryStream")
    assert len(made) == len(DELIVERIES)
    for name, delivery in DELIVERIES.items():
        (one,) = (
            properties
            for properties in made.values()
            if plain(properties["KinesisStreamSourceConfiguration"]["KinesisStreamARN"]).lower()
            == f"<{name}>"
        )
        destination = one["ExtendedS3DestinationConfiguration"]
        assert (destination["Prefix"], destination["ErrorOutputPrefix"]) == (
            delivery.prefix,
            delivery.error_prefix,
        )
        assert destination["CompressionFormat"] == "GZIP"
        assert destination["BufferingHints"] == {"IntervalInSeconds": 60, "SizeInMBs": 64}
        assert destination["DynamicPartitioningConfiguration"]["Enabled"] is True
        assert destination["ProcessingConfiguration"]["Enabled"] is True


def processors(template: Template, stream: str) -> dict[str, dict[str, str]]:
    (found,) = (
        properties["ExtendedS3DestinationConfiguration"]["ProcessingConfiguration"]["Processors"]
        for name, properties in of_type(template, "AWS::KinesisFirehose::DeliveryStream").items()
        if name.lower().startswith(stream)
    )
    return {
        one["Type"]: {given["ParameterName"]: plain(given["ParameterValue"]) for given in one["Parameters"]}
        for one in found
    }


def test_the_transform_gets_what_its_answer_has_room_for(on_aws: Template) -> None:
    assert TRANSFORM_BUFFER_BYTES == 1024 * 1024
    assert processors(on_aws, "events") == {
        "Lambda": {
            "LambdaArn": "<Transform>",
            "NumberOfRetries": "3",
            "BufferSizeInMBs": "1",
            "BufferIntervalInSeconds": "10",
        }
    }


def test_rejects_go_by_their_code_and_each_on_a_line(on_aws: Template) -> None:
    assert processors(on_aws, "errors") == {
        "MetadataExtraction": {
            "MetadataExtractionQuery": "{code: .data.code}",
            "JsonParsingEngine": "JQ-1.6",
        },
        "AppendDelimiterToRecord": {"Delimiter": "\\n"},
    }


def test_cfn_lint_finds_nothing(on_aws: Template, on_laptop: Template, tmp_path: Path) -> None:
    paths = [tmp_path / "aws.json", tmp_path / "laptop.json"]
    for path, template in zip(paths, (on_aws, on_laptop), strict=True):
        path.write_text(app.text_of(template))
    linter = Path(sys.executable).with_name("cfn-lint")
    # The CDK writes a function's dependency on its role beside the reference that implies it.
    command = [str(linter), "--ignore-checks", "W3005", "--regions", "us-east-1", "--", *map(str, paths)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.stdout, told.returncode) == ("", 0)


def findings(assembly: Path, of: str) -> set[tuple[str, str]]:
    """(rule, construct) of cdk-nag's findings: its `violations` or `suppressedViolations`."""
    (told,) = json.loads((assembly / "validation-report.json").read_text())["pluginReports"]
    return {
        (finding["ruleName"].removeprefix("AwsSolutions-"), where["constructPath"].split("/", 1)[1])
        for finding in told[of]
        for where in finding["violatingConstructs"]
    }


def test_cdk_nag_finds_nothing_but_what_is_accepted_where_it_is(on_aws: Template, assembly: Path) -> None:
    assert on_aws
    assert findings(assembly, "violations") == set()
    accepted = findings(assembly, "suppressedViolations")
    assert {
        (rule.partition("[")[0], construct.removesuffix("/Resource")) for rule, construct in accepted
    } == {
        ("KDS3", "Events"),
        ("KDS3", "Errors"),
        ("L1", "Transform"),
        ("IAM5", "EventsDelivery/Policy"),
        ("IAM5", "ErrorsDelivery/Policy"),
        ("KDF1", "EventsDelivery/Stream"),
        ("KDF1", "ErrorsDelivery/Stream"),
    }


def test_a_finding_that_nobody_accepts_fails_the_synthesis(
    function: Path, tmp_path: Path, on_aws: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on_aws
    from infra.stacks import accepted  # noqa: PLC0415  after its Node is chosen

    monkeypatch.setattr(accepted, "_acknowledge", lambda *_: None)
    with pytest.raises(RuntimeError):
        app.synthesize(Stage("prod"), str(tmp_path), Artefacts(function))
    assert ("KDF1", "EventsDelivery/Stream") in findings(tmp_path, "violations")
