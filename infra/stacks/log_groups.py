"""How a log group is made: encrypted, kept for so long, and gone with its stack."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct


def declare_log_group(
    scope: Construct,
    name: str,
    key: kms.IKey,
    *,
    called: str | None = None,
    kept: logs.RetentionDays = logs.RetentionDays.THREE_MONTHS,
) -> logs.LogGroup:
    """`called`: its name, where a service looks for one."""
    return logs.LogGroup(
        scope,
        name,
        log_group_name=called,
        encryption_key=key,
        retention=kept,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
