"""The free ways to S3 and DynamoDB: to what is in this account, and to what AWS itself lays out."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam

_OF_AWS = (
    "al2023-repos-{region}-de612dc2",  # packages of Amazon Linux
    "repo.{region}.emr.amazonaws.com",  # packages of EMR
    "aws157-instance-data-{bucket}0-prod-{region}",  # what EMR 8 starts from
    "aws157-instance-data-{bucket}1-prod-{region}",
    "prod-{region}-starport-layer-bucket",  # layers of container images
)
"""Buckets of AWS that nodes and tasks read; `{bucket}` is empty but for one region.

Sources: Amazon EMR Management Guide, "Sample policies for private subnets that access Amazon S3"; Amazon ECR
User Guide, "Amazon ECR interface VPC endpoints".
"""

_OTHERWISE = "ap-southeast-2"


def add_gateways(vpc: ec2.Vpc, region: str) -> None:
    """What leads to buckets and tables of another account is shut, whoever's credentials are used.

    `region`: the stage's, since AWS names some of its buckets otherwise in one of them.
    """
    bucket = "bucket-" if region == _OTHERWISE else ""
    stack = cdk.Stack.of(vpc)
    ours = {"StringEquals": {"aws:ResourceAccount": stack.account}}
    s3 = vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
    s3.add_to_policy(_let("s3:*", ["*"], ours))
    objects = [
        stack.format_arn(
            service="s3",
            region="",
            account="",
            resource=name.format(region=stack.region, bucket=bucket),
            resource_name="*",
        )
        for name in _OF_AWS
    ]
    s3.add_to_policy(_let("s3:GetObject", objects, {}))
    tables = vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
    tables.add_to_policy(_let("dynamodb:*", ["*"], ours))


def _let(action: str, resources: list[str], conditions: dict[str, dict[str, str]]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()], actions=[action], resources=resources, conditions=conditions
    )
