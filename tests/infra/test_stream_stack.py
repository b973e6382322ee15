"""The stream stack: its streams, deliveries, alarms, and what the laptop's lacks."""

import re
from datetime import timedelta

import pytest

from headrace.schemas.archive import DELIVERIES, TRANSFORM_BUFFER_BYTES
from headrace.schemas.streams import STREAMS
from tests.infra.synthesis import Template, listed, of_type, plain, synthesized, unhashed

pytestmark = pytest.mark.xdist_group("cdk")


@pytest.fixture(scope="module")
def on_aws() -> Template:
    return synthesized("prod").templates["stream"]


@pytest.fixture(scope="module")
def on_laptop() -> Template:
    return synthesized("local").templates["stream"]


def test_streams_are_as_declared_and_keep_their_records_when_the_stack_goes(on_aws: Template) -> None:
    made = of_type(on_aws, "AWS::Kinesis::Stream")
    assert {unhashed(name).lower() for name in made} == set(STREAMS)
    for name, stream in made.items():
        declared = STREAMS[unhashed(name).lower()]
        assert timedelta(hours=stream["RetentionPeriodHours"]) == declared.retention
        assert stream["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
        assert on_aws["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"


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
    rest = {unhashed(name) for name in lacking - set(delivery)}
    assert rest == {
        "AccessLogs",
        "AccessLogsPolicy",
        "ArchivePolicy",
        "Dashboard",
        "AlarmsTransformRejects",
        "AlarmsLateShare",
        "AlarmsSpoolAge",
        "AlarmsSpoolFull",
        *(
            f"Alarms{what}{name.capitalize()}"
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
    for metric in ("WarehouseLagSeconds", "MissingRecords", "WrongOutputs", "SilentSources"):
        expected.add((metric, "<Events>"))
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


def test_a_stage_with_a_cluster_is_told_when_the_stream_job_says_nothing(on_laptop: Template) -> None:
    def silence(template: Template) -> object:
        (alarm,) = (
            alarm
            for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
            if alarm.get("MetricName") == "WarehouseLagSeconds"
        )
        return alarm["TreatMissingData"]

    assert silence(synthesized("prod").templates["stream"]) == "breaching"
    assert silence(on_laptop) == "notBreaching"


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
