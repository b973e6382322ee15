"""Findings of cdk-nag that stand, each at its construct and with its reason."""

import aws_cdk as cdk
from constructs import IConstruct


def accept(construct: IConstruct, **findings: str) -> None:
    """Accept findings, `S1="why"`, at this construct and nowhere else."""
    for rule, reason in findings.items():
        _acknowledge(construct, rule, reason)


def accept_wildcard(construct: IConstruct, *wildcards: str, reason: str) -> None:
    """Accept wildcards of a policy, each as the finding names it: `Resource::*`."""
    for wildcard in wildcards:
        _acknowledge(construct, f"IAM5[{wildcard}]", reason)


def _acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    cdk.Validations.of(construct).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason)
    )
