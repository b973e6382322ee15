"""The error desk's stack of every stage that has one."""

import pytest

from headrace.ops.emf import _camel
from headrace.ops.metrics import DESK_HELD_UP
from headrace.ops.settings import load
from infra.lease_tables import LEASE_TABLES, ON_TABLES
from infra.stacks.stage import Stage
from stream_jobs.error_desk.daemon import SHUTDOWN_GRACE_SECONDS
from stream_jobs.error_desk.launcher import _END_SECONDS
from stream_jobs.error_desk.settings import ErrorDeskSettings
from tests.infra.synthesis import ON_AWS, Template, listed, of_type, plain, synthesized

pytestmark = pytest.mark.xdist_group("cdk")


@pytest.fixture(params=ON_AWS)
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage.read(request.param)


@pytest.fixture
def template(stage: Stage) -> Template:
    return synthesized(stage.name).templates["error-desk"]


def container(template: Template) -> Template:
    (task,) = of_type(template, "AWS::ECS::TaskDefinition").values()
    (one,) = task["ContainerDefinitions"]
    return dict(one)


def settings(template: Template) -> ErrorDeskSettings:
    """As the task's process would read them."""
    told = {one["Name"]: plain(one["Value"]) for one in container(template)["Environment"]}
    return load(ErrorDeskSettings, told)


def test_it_is_a_fleet_of_as_many_tasks_as_the_stage_file_says(stage: Stage, template: Template) -> None:
    assert stage.file.error_desk
    (service,) = of_type(template, "AWS::ECS::Service").values()
    assert service["DesiredCount"] == stage.file.error_desk.tasks
    assert settings(template).fleet
    assert settings(template).stream == "<stream:Errors>"
    assert settings(template).warehouse_url.startswith("redshift://")


def test_its_alarm_watches_what_its_process_writes(template: Template) -> None:
    (alarm,) = [
        one
        for one in of_type(template, "AWS::CloudWatch::Alarm").values()
        if "DeskHeldUp" in one["AlarmName"]
    ]
    assert settings(template).emf_seconds == 60
    assert alarm["Namespace"] == settings(template).emf_namespace
    assert alarm["MetricName"] == _camel(DESK_HELD_UP._name)
    assert [(one["Name"], plain(one["Value"])) for one in alarm["Dimensions"]] == [
        ("Stream", settings(template).stream)
    ]


def test_its_lease_tables_are_those_that_kcl_makes_where_it_may(template: Template) -> None:
    application = settings(template).application
    made = {table["TableName"]: table for table in of_type(template, "AWS::DynamoDB::Table").values()}
    assert made.keys() == {application + table.suffix for table in LEASE_TABLES}
    for declared in LEASE_TABLES:
        table = made[application + declared.suffix]
        assert table["KeySchema"] == [{"AttributeName": declared.key, "KeyType": "HASH"}]
        indexes = {
            one["IndexName"]: tuple(key["AttributeName"] for key in one["KeySchema"])
            for one in table.get("GlobalSecondaryIndexes", [])
        }
        assert indexes == ({declared.index_name: declared.index_keys} if declared.index_name else {})


def test_its_role_may_what_it_does_and_no_more(template: Template) -> None:
    (role,) = (
        policy["PolicyDocument"]["Statement"]
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if [plain(one) for one in policy["Roles"]] == ["<TaskTaskRole>"]
    )
    allowed: dict[str, set[str]] = {}
    for statement in role:
        for resource in map(plain, listed(statement["Resource"])):
            allowed.setdefault(resource, set()).update(listed(statement["Action"]))
    tables = ["<LeasesTable>", "<LeasesTableWorkerMetricStats>", "<LeasesTableCoordinatorState>"]
    index = f"<LeasesTable>/index/{LEASE_TABLES[0].index_name}"
    keys = allowed.pop("<stream:Key>")
    assert all(action.startswith("kms:") for action in keys)
    assert allowed == {
        "<stream:Errors>": {
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
        },
        **{resource: set(ON_TABLES) for resource in [*tables, index]},
        "<warehouse:RedshiftWorkgroup>": {"redshift-serverless:GetCredentials"},
        "<warehouse:Staging>/loads/*": {"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"},
    }


def test_it_is_private_and_nobody_calls_it(template: Template) -> None:
    (service,) = of_type(template, "AWS::ECS::Service").values()
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert all("Private" in plain(subnet) for subnet in network["Subnets"])
    (door,) = of_type(template, "AWS::EC2::SecurityGroup").values()
    assert "SecurityGroupIngress" not in door
    assert {rule["FromPort"] for rule in door["SecurityGroupEgress"]} == {443, 5439}


def test_it_runs_without_rights_and_has_time_to_hand_its_shards_over(template: Template) -> None:
    one = container(template)
    assert one["ReadonlyRootFilesystem"] is True
    assert one["User"] == "65532:65532"
    assert one["StopTimeout"] > _END_SECONDS > SHUTDOWN_GRACE_SECONDS
    assert [mount["ContainerPath"] for mount in one["MountPoints"]] == ["/var/lib/headrace"]
