from typing import Any

import msgspec
import pytest

from infra.cluster import requests, serverless_requests
from infra.cluster.job import Facts, job_of
from infra.stacks.stage import Stage
from tests.infra.cluster.test_requests import refused
from tests.infra.synthesis import Template, listed, of_type, plain, synthesized, unhashed

pytestmark = pytest.mark.xdist_group("cdk")

ENGINES = {"prod": "ec2", "dev": "serverless"}


def cluster(stage: str) -> Template:
    return synthesized(stage).templates["cluster"]


def text(value: Any) -> str:
    """As `plain`, with the variables of a bucket that has none of our names left as they are."""
    match value:
        case {"Fn::Join": [glue, parts]}:
            return str(glue).join(text(part) for part in parts)
        case {"Fn::Sub": str(name)}:
            return name
    return plain(value)


def published(stage: str) -> dict[str, str]:
    found = of_type(cluster(stage), "AWS::SSM::Parameter").values()
    return {str(one["Name"]).rpartition("/")[2]: text(one["Value"]) for one in found}


def facts(stage: str) -> Facts:
    return msgspec.json.decode(published(stage)["cluster-request"], type=Facts)


@pytest.mark.parametrize("name", ENGINES)
def test_what_is_published_makes_the_requests(name: str) -> None:
    stage, told = Stage.read(name), facts(name)
    assert stage.file.cluster is not None
    spec = job_of(told, stage.file.cluster)
    if ENGINES[name] == "ec2":
        assert refused("emr", "RunJobFlow", requests.run_job_flow(stage, told)) == ""
        assert refused("emr", "AddJobFlowSteps", requests.start_job(stage, "j-1", spec)) == ""
        assert len(told.subnets) == len(told.groups) == 3
    else:
        arn = f"arn:aws:some:us-east-1:000000000000:{told.job_role}"
        real = msgspec.structs.replace(told, job_role=arn, key=arn)
        request = serverless_requests.start_job_run(stage, real, spec, "t")
        assert refused("emr-serverless", "StartJobRun", request) == ""
        assert told.application == "<Application>"
    assert published(name)["job-archive"] == told.archive
    assert told.archive.endswith(".zip")
    assert told.entry.endswith(".py")
    assert told.checkpoint == published(name)["job-checkpoint"] == "s3://<BucketsJob>/checkpoint"
    assert told.settings["HEADRACE_STREAM"] == "<stream:Events>"
    assert told.settings["HEADRACE_WAREHOUSE_URL"].startswith("redshift://")


def test_the_serverless_application_is_what_its_request_would_make() -> None:
    (made,) = of_type(cluster("dev"), "AWS::EMRServerless::Application").values()
    asked = serverless_requests.application(Stage.read("dev"), [], "")
    assert made["Architecture"] == asked["architecture"] == "ARM64"
    assert made["ReleaseLabel"] == asked["releaseLabel"]
    assert made["MaximumCapacity"] == {"Cpu": "16 vCPU", "Memory": "64 GB"}
    assert len(made["NetworkConfiguration"]["SubnetIds"]) == 3
    assert of_type(cluster("prod"), "AWS::EMRServerless::Application") == {}


def test_nodes_are_encrypted_at_rest_and_between_each_other_and_give_metadata_by_sessions_only() -> None:
    (made,) = of_type(cluster("prod"), "AWS::EMR::SecurityConfiguration").values()
    said: Any = made["SecurityConfiguration"]
    encryption = said["EncryptionConfiguration"]
    assert encryption["EnableAtRestEncryption"] is encryption["EnableInTransitEncryption"] is True
    at_rest = encryption["AtRestEncryptionConfiguration"]
    for of in ("S3EncryptionConfiguration", "LocalDiskEncryptionConfiguration"):
        assert plain(at_rest[of]["AwsKmsKey"]) == "<stream:Key>"
    assert at_rest["LocalDiskEncryptionConfiguration"]["EnableEbsEncryption"] is True
    tls = encryption["InTransitEncryptionConfiguration"]["TLSCertificateConfiguration"]
    assert plain(tls["S3Object"]) == facts("prod").certificate
    assert said["InstanceMetadataServiceConfiguration"]["MinimumInstanceMetadataServiceVersion"] == 2
    assert "AuthenticationConfiguration" not in said


def test_nobody_but_the_nodes_and_emr_reaches_a_node() -> None:
    for rule in of_type(cluster("prod"), "AWS::EC2::SecurityGroupIngress").values():
        assert "CidrIp" not in rule
        source = plain(rule["SourceSecurityGroupId"])
        if source == "<GroupsService>":
            assert rule["FromPort"] == rule["ToPort"] == 8443
        if plain(rule["GroupId"]) == "<GroupsService>":
            assert (source, rule["FromPort"], rule["ToPort"]) == ("<GroupsPrimary>", 9443, 9443)
    for group in of_type(cluster("prod"), "AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group
        assert {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"} in group["Tags"]


def test_subnets_are_tagged_for_emr_where_it_makes_nodes_and_nowhere_else() -> None:
    for name, engine in ENGINES.items():
        for subnet in of_type(synthesized(name).templates["network"], "AWS::EC2::Subnet").values():
            keys = {tag["Key"] for tag in subnet["Tags"]}
            assert ("for-use-with-amazon-emr-managed-policies" in keys) == (engine == "ec2")


@pytest.mark.parametrize("name", ENGINES)
def test_the_job_may_read_its_stream_and_code_and_keep_its_checkpoint(name: str) -> None:
    (policy,) = (
        properties["PolicyDocument"]["Statement"]
        for logical, properties in of_type(cluster(name), "AWS::IAM::Policy").items()
        if unhashed(logical) == "JobRoleDefaultPolicy"
    )
    may = {
        (action, text(resource))
        for statement in policy
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }
    put = {resource for action, resource in may if action == "s3:PutObject"}
    assert put == {"<BucketsJob>/checkpoint/*", "<BucketsLogs>/*", "<warehouse:Staging>/loads/*"}
    assert {resource for action, resource in may if action.startswith("kinesis:")} == {"<stream:Events>"}
    read = {resource for action, resource in may if action == "s3:GetObject"} - {"<BucketsJob>/checkpoint/*"}
    code = {resource for resource in read if resource.endswith((".zip", ".py"))}
    assert read == code
    assert len(code) == (3 if name == "prod" else 2)  # the nodes' certificate too
    assert "redshift-serverless:GetCredentials" in {action for action, _ in may}


def test_what_emr_says_of_our_own_job_rings_an_alarm_and_is_kept() -> None:
    watched = {"prod": {"ClusterFails", "JobFails"}, "dev": {"JobFails"}}
    for name, pages in watched.items():
        rules = of_type(cluster(name), "AWS::Events::Rule")
        assert {unhashed(rule).removesuffix("Rule") for rule in rules} == pages
        for rule in rules.values():
            detail = rule["EventPattern"]["detail"]
            mine = detail.get("name") or detail["applicationId"]
            assert mine in ([{"prefix": f"headrace-{name}-stream-job"}], [{"Ref": "Application"}])
            assert [target["Id"] for target in rule["Targets"]] == ["Log"]
        alarms = of_type(cluster(name), "AWS::CloudWatch::Alarm").values()
        assert {alarm["MetricName"] for alarm in alarms} == {"MatchedEvents"}
        assert {plain(alarm["Dimensions"][0]["Value"]) for alarm in alarms} == {
            f"<{page}Rule>" for page in pages
        }
