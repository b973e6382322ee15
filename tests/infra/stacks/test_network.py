import json
import re

import pytest

from infra.stacks.endpoints import NEEDS
from tests.infra.synthesis import OTHER, Template, listed, of_type, plain, synthesized

pytestmark = pytest.mark.xdist_group("cdk")

BASTION = {"ssm", "ssmmessages"}


@pytest.fixture(scope="module")
def prod() -> Template:
    return synthesized("prod").templates["network"]


@pytest.fixture(scope="module")
def dev() -> Template:
    return synthesized("dev").templates["network"]


@pytest.fixture(scope="module")
def other() -> Template:
    """With a NAT gateway, and without a stack that needs an endpoint."""
    return synthesized(OTHER.name).templates["network"]


def zones_of(template: Template, kind: str) -> list[str]:
    return sorted(
        subnet["AvailabilityZone"]
        for subnet in of_type(template, "AWS::EC2::Subnet").values()
        if {"Key": "aws-cdk:subnet-name", "Value": kind} in subnet["Tags"]
    )


def services(template: Template) -> dict[str, Template]:
    """The endpoints by their service's name behind the region."""
    return {
        plain(endpoint["ServiceName"]).partition("<AWS::Region>.")[2]: endpoint
        for endpoint in of_type(template, "AWS::EC2::VPCEndpoint").values()
    }


def ways_out(template: Template) -> set[str]:
    """What the default routes of the private subnets lead to."""
    return {
        "NatGatewayId" if "NatGatewayId" in route else "GatewayId"
        for name, route in of_type(template, "AWS::EC2::Route").items()
        if "Private" in name
    }


def test_the_zones_are_those_of_the_file(prod: Template, dev: Template) -> None:
    for template in (prod, dev):
        assert zones_of(template, "Private") == ["us-east-1a", "us-east-1b", "us-east-1c"]


def test_there_is_no_way_to_the_internet_unless_it_is_asked_for(prod: Template, dev: Template) -> None:
    assert of_type(prod, "AWS::EC2::InternetGateway") == {}
    assert zones_of(prod, "Public") == []
    assert len(of_type(dev, "AWS::EC2::InternetGateway")) == 1  # its producers read from the internet
    assert len(zones_of(dev, "Public")) == 3
    for template in (prod, dev):
        assert of_type(template, "AWS::EC2::NatGateway") == {}
        assert ways_out(template) == set()


def test_a_nat_gateway_is_there_where_the_file_asks_for_one(other: Template) -> None:
    assert len(of_type(other, "AWS::EC2::NatGateway")) == 1
    assert ways_out(other) == {"NatGatewayId"}


def test_private_subnets_keep_their_addresses_when_public_ones_come(prod: Template, dev: Template) -> None:
    def ranges(template: Template) -> dict[str, str]:
        return {
            name: subnet["CidrBlock"]
            for name, subnet in of_type(template, "AWS::EC2::Subnet").items()
            if "Private" in name
        }

    assert ranges(prod) == ranges(dev)


def test_a_stage_has_the_endpoints_that_its_stacks_need_and_no_other(prod: Template, dev: Template) -> None:
    gateways = {"s3", "dynamodb"}
    private_producers, desk = NEEDS["private producers on EC2"], NEEDS["error desk"]
    assert services(prod).keys() == gateways | {*NEEDS["cluster on EC2"], *private_producers, *desk}
    assert services(dev).keys() == gateways | {*NEEDS["cluster on EMR Serverless"], *desk, *BASTION}


def test_tasks_in_private_subnets_can_be_given_their_image(prod: Template) -> None:
    assert {"ecr.api", "ecr.dkr", "logs", "s3"} <= services(prod).keys()


def test_an_endpoint_stands_in_as_many_zones_as_the_file_says(prod: Template, dev: Template) -> None:
    for template, zones in ((prod, 2), (dev, 1)):
        counts = {
            len(endpoint["SubnetIds"])
            for endpoint in services(template).values()
            if endpoint["VpcEndpointType"] == "Interface"
        }
        assert counts == {zones}


def test_a_network_without_other_stacks_has_the_free_endpoints_alone(other: Template) -> None:
    assert services(other).keys() == {"s3", "dynamodb"}


def test_what_emr_starts_from_has_another_name_in_one_region(prod: Template, other: Template) -> None:
    """Source: Amazon EMR Management Guide, "Sample policies for private subnets that access Amazon S3"."""
    for template, names in ((prod, "data"), (other, "data-bucket")):
        text = json.dumps(services(template)["s3"]["PolicyDocument"])
        assert set(re.findall(r"aws157-instance-(.+?)-prod", text)) == {f"{names}-0", f"{names}-1"}


def test_gateways_lead_to_this_account_and_to_named_buckets_of_aws(prod: Template) -> None:
    for name in ("s3", "dynamodb"):
        for statement in services(prod)[name]["PolicyDocument"]["Statement"]:
            if statement["Resource"] == "*":
                account = {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}
                assert statement["Condition"] == {"StringEquals": account}
            else:
                assert statement["Action"] == "s3:GetObject"
                assert all(plain(arn).endswith("/*") for arn in listed(statement["Resource"]))


def test_nothing_is_let_in_but_https_from_the_network_to_the_endpoints(prod: Template, dev: Template) -> None:
    for template in (prod, dev):
        assert of_type(template, "AWS::EC2::SecurityGroupIngress") == {}
        for name, group in of_type(template, "AWS::EC2::SecurityGroup").items():
            rules = [
                (rule["CidrIp"], rule["FromPort"], rule["ToPort"])
                for rule in group.get("SecurityGroupIngress", [])
            ]
            assert rules == ([("10.90.0.0/16", 443, 443)] if name.startswith("Endpoints") else [])


def test_the_bastion_has_no_key_no_public_address_and_no_open_port(prod: Template, dev: Template) -> None:
    assert of_type(prod, "AWS::EC2::Instance") == {}
    (host,) = of_type(dev, "AWS::EC2::Instance").values()
    assert "KeyName" not in host
    assert "Private" in json.dumps(host["SubnetId"])
    assert host["MetadataOptions"]["HttpTokens"] == "required"
    (name,) = (plain(group) for group in host["SecurityGroupIds"])
    groups = of_type(dev, "AWS::EC2::SecurityGroup")
    (group,) = (group for key, group in groups.items() if key.startswith(name[1:-1]))
    assert {rule["FromPort"] for rule in group["SecurityGroupEgress"]} == {443, 5439}


def test_all_flows_are_logged(prod: Template, dev: Template) -> None:
    for template in (prod, dev):
        (log,) = of_type(template, "AWS::EC2::FlowLog").values()
        assert (log["TrafficType"], plain(log["LogGroupName"])) == ("ALL", "<FlowLog>")
