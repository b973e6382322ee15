"""The key that everything at rest is encrypted with, which logs use by themselves."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.stacks.stage import Stage

USE = ["kms:Decrypt", "kms:GenerateDataKey"]
"""What a role needs that reads and writes encrypted data through a service."""

_LOGS = [
    "kms:Encrypt",
    *USE,
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:DescribeKey",
]


class DataKey(kms.Key):
    """One key for whatever its stack and others keep; it outlives the stack where what it encrypts does."""

    def __init__(self, scope: Construct, name: str, stage: Stage) -> None:
        super().__init__(
            scope,
            name,
            description="headrace: what the stage keeps",
            enable_key_rotation=True,
            removal_policy=stage.data_policy,
        )
        stack = cdk.Stack.of(self)
        groups = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name="*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.{stack.url_suffix}")],
                actions=_LOGS,
                resources=["*"],  # in a key's own policy, the key
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )


def through(service: str, key: kms.IKey, actions: list[str]) -> iam.PolicyStatement:
    """The use of the key, only in calls that the service makes for the role."""
    stack = cdk.Stack.of(key)
    via = f"{service}.{stack.region}.{stack.url_suffix}"
    return iam.PolicyStatement(
        actions=actions, resources=[key.key_arn], conditions={"StringEquals": {"kms:ViaService": via}}
    )
