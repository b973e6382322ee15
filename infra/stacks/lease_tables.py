"""The lease tables of a fleet of KCL workers, as infra.lease_tables says, and who may use them."""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.lease_tables import LEASE_TABLES, ON_TABLES, LeaseTable
from infra.stacks.key import through
from infra.stacks.stage import Stage

_TEXT = dynamodb.AttributeType.STRING
_USE = [
    *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
    *("kms:ReEncryptFrom", "kms:ReEncryptTo"),
]


class LeaseTables(Construct):
    """What a fleet knows of its shards; should it be lost, the warehouse knows what is merged."""

    def __init__(self, scope: Construct, stage: Stage, application: str, key: kms.IKey) -> None:
        super().__init__(scope, "Leases")
        self._stage, self._application, self._key = stage, application, key
        self._tables = [self._declare(table) for table in LEASE_TABLES]

    def let_use(self, role: iam.IRole) -> None:
        """Everything a worker does but make or remove a table."""
        arns = [table.table_arn for table in self._tables]
        indexed = (
            f"{made.table_arn}/index/{table.index_name}"
            for made, table in zip(self._tables, LEASE_TABLES, strict=True)
            if table.index_name
        )
        for statement in (
            iam.PolicyStatement(actions=list(ON_TABLES), resources=[*arns, *indexed]),
            through("dynamodb", self._key, _USE),
        ):
            role.add_to_principal_policy(statement)

    def _declare(self, table: LeaseTable) -> dynamodb.Table:
        made = dynamodb.Table(
            self,
            f"Table{table.suffix.replace('-', '')}",
            table_name=self._application + table.suffix,
            partition_key=dynamodb.Attribute(name=table.key, type=_TEXT),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self._key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        if table.index_keys:
            owner, lease = table.index_keys
            made.add_global_secondary_index(
                index_name=table.index_name,
                partition_key=dynamodb.Attribute(name=owner, type=_TEXT),
                sort_key=dynamodb.Attribute(name=lease, type=_TEXT),
                projection_type=dynamodb.ProjectionType.KEYS_ONLY,
            )
        return made
