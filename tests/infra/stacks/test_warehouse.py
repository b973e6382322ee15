"""The warehouse stack of every stage that has one."""

import re

import pytest

from headrace.ops.clock import SystemClock
from headrace.warehouse.data_api_address import connect
from headrace.warehouse.engines.redshift_address import Address
from infra.stacks.stage import Stage
from infra.stacks.stage_file import Network, Warehouse
from tests.infra.synthesis import ON_AWS, Template, listed, of_type, plain, synthesized

pytestmark = pytest.mark.xdist_group("cdk")


@pytest.fixture(params=ON_AWS)
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage.read(request.param)


@pytest.fixture
def template(stage: Stage) -> Template:
    return synthesized(stage.name).templates["warehouse"]


def wanted(stage: Stage) -> tuple[Network, Warehouse]:
    assert stage.file.network
    assert stage.file.warehouse
    return stage.file.network, stage.file.warehouse


def published(template: Template) -> dict[str, str]:
    return {
        one["Name"].rpartition("/")[2]: plain(one["Value"])
        for one in of_type(template, "AWS::SSM::Parameter").values()
    }


def may(template: Template, role: str) -> set[tuple[str, str]]:
    """(action, resource) of all that the policies of a role allow."""
    return {
        (action, plain(resource))
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if [plain(one) for one in policy["Roles"]] == [f"<{role}>"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def test_it_is_reached_from_the_network_alone_and_by_tls(stage: Stage, template: Template) -> None:
    network, _ = wanted(stage)
    (workgroup,) = of_type(template, "AWS::RedshiftServerless::Workgroup").values()
    assert workgroup["PubliclyAccessible"] is False
    assert workgroup["EnhancedVpcRouting"] is True
    assert len(workgroup["SubnetIds"]) == 3
    assert all("Private" in plain(subnet) for subnet in workgroup["SubnetIds"])
    settings = {one["ParameterKey"]: one["ParameterValue"] for one in workgroup["ConfigParameters"]}
    assert settings["require_ssl"] == "true"
    (door,) = of_type(template, "AWS::EC2::SecurityGroup").values()
    (way_in,) = door["SecurityGroupIngress"]
    assert (way_in["CidrIp"], way_in["FromPort"], way_in["ToPort"]) == (network.cidr, 5439, 5439)
    assert not of_type(template, "AWS::EC2::SecurityGroupIngress")


def test_it_is_as_large_as_the_stage_file_says(stage: Stage, template: Template) -> None:
    _, warehouse = wanted(stage)
    (workgroup,) = of_type(template, "AWS::RedshiftServerless::Workgroup").values()
    assert (workgroup["BaseCapacity"], workgroup["MaxCapacity"]) == (warehouse.base_rpu, warehouse.max_rpu)
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    (used,) = (one for one in alarms if one["AlarmName"].endswith("WarehouseUsage"))
    assert (used["Period"], used["Threshold"]) == (24 * 3600, warehouse.daily_rpu_hours * 3600 * 0.8)


def test_nobody_is_told_the_administrators_password(template: Template) -> None:
    (namespace,) = of_type(template, "AWS::RedshiftServerless::Namespace").values()
    assert namespace["ManageAdminPassword"] is True
    assert "AdminUserPassword" not in namespace
    assert plain(namespace["AdminPasswordSecretKmsKeyId"]) == "<stream:Key>"


def test_its_logs_are_there_before_redshift_looks_for_them(template: Template) -> None:
    (name,) = (key for key, one in template["Resources"].items() if one["Type"].endswith("::Namespace"))
    namespace = template["Resources"][name]
    called = plain(namespace["Properties"]["NamespaceName"])
    groups = of_type(template, "AWS::Logs::LogGroup")
    assert {plain(one["LogGroupName"]) for one in groups.values()} == {
        f"/aws/redshift/{called}/{audit}" for audit in namespace["Properties"]["LogExports"]
    }
    assert set(groups) <= set(namespace["DependsOn"])
    assert "useractivitylog" not in namespace["Properties"]["LogExports"], "it would hold records"


def test_copy_reads_what_is_staged_and_the_archive_and_writes_nothing(template: Template) -> None:
    assert may(template, "CopyRole") == {
        ("s3:GetObject", "<Staging>/loads/*"),
        ("s3:ListBucket", "<Staging>"),
        ("s3:GetObject", "<stream:Archive>/events/*"),
        ("s3:ListBucket", "<stream:Archive>"),
        ("kms:Decrypt", "<stream:Key>"),
    }


def test_an_analyst_asks_the_data_api_and_nothing_else(template: Template) -> None:
    allowed = may(template, "Analyst")
    assert {action.partition(":")[0] for action, _ in allowed} == {"redshift-data", "redshift-serverless"}
    assert {action for action, resource in allowed if resource == "*"} == {
        "redshift-data:CancelStatement",
        "redshift-data:DescribeStatement",
        "redshift-data:GetStatementResult",
    }
    assert published(template)["warehouse-readers"] == "IAMR:<Analyst>"


def test_the_users_that_write_are_those_whose_roles_may(stage: Stage, template: Template) -> None:
    writers = {
        role["RoleName"]
        for part in synthesized(stage.name).templates.values()
        for name, role in of_type(part, "AWS::IAM::Role").items()
        if "RoleName" in role
        and any(action == "redshift-serverless:GetCredentials" for action, _ in of(part, name))
    }
    assert f"headrace-{stage.name}-error-desk-{stage.file.region}" in writers
    assert published(template)["warehouse-writers"] == ",".join(f"IAMR:{name}" for name in sorted(writers))


def of(template: Template, logical_id: str) -> set[tuple[str, str]]:
    return may(template, re.sub(r"[0-9A-F]{8}$", "", logical_id))


def test_what_is_published_is_an_address_that_the_programs_take(stage: Stage, template: Template) -> None:
    _, warehouse = wanted(stage)
    told = {name: re.sub(r"<([^>]+)>", r"\1", value) for name, value in published(template).items()}
    address = Address.of(told["warehouse-url"].replace("AWS::Region", "eu-west-1"))
    assert address == Address(
        host="redshiftworkgroup",
        port=5439,
        database=warehouse.database,
        workgroup=f"headrace-{stage.name}",
        region="eu-west-1",
        bucket="Staging",
        prefix="loads",
        copy_role="CopyRole",
    )
    asked = told["warehouse-api-url"].replace("AWS::Region", "eu-west-1")
    assert asked == f"redshift-data://headrace-{stage.name}/{warehouse.database}?region=eu-west-1"
    connect(asked, SystemClock(), {})


def test_what_writers_left_behind_is_gone_after_a_week(template: Template) -> None:
    buckets = of_type(template, "AWS::S3::Bucket")
    (staging,) = (one for name, one in buckets.items() if name.startswith("Staging"))
    (rule,) = staging["LifecycleConfiguration"]["Rules"]
    assert (rule["ExpirationInDays"], rule["Status"], "Prefix" in rule) == (7, "Enabled", False)
