"""Findings of cdk-nag that stand, each at its construct and with its reason."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import IConstruct


def accept(construct: IConstruct, **findings: str) -> None:
    """Accept findings, `S1="why"`, at this construct and nowhere else."""
    for rule, reason in findings.items():
        _acknowledge(construct, rule, reason)


def accept_wildcard(construct: IConstruct, *wildcards: str, reason: str) -> None:
    """Accept wildcards of a policy, each as the finding names it: `Resource::*`."""
    for wildcard in wildcards:
        _acknowledge(construct, f"IAM5[{wildcard}]", reason)


def accept_objects(construct: IConstruct, bucket: s3.IBucket, prefix: str, *, reason: str) -> None:
    """Accept a policy for every object of a bucket below a prefix, whichever stack has the bucket."""
    owner = cdk.Stack.of(bucket)
    if owner is cdk.Stack.of(construct):
        arn = f"<{owner.resolve(bucket.bucket_arn)['Fn::GetAtt'][0]}.Arn>"
    else:
        arn = owner.resolve(owner.export_value(bucket.bucket_arn))["Fn::ImportValue"]
    accept_wildcard(construct, f"Resource::{arn}/{prefix}*", reason=reason)


def _acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    cdk.Validations.of(construct).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason)
    )
