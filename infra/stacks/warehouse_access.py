"""Who may do what with the warehouse: COPY, the writers, and analysts, who only read."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from headrace.schemas.archive import DELIVERIES
from infra.stacks.accepted import accept_objects, accept_wildcard
from infra.stacks.buckets import listing
from infra.stacks.key import USE, through
from infra.stacks.stage import Stage
from infra.stacks.warehouse import Warehouse

LOADS = "loads/"
"""The prefix of the staging bucket below which writers put what COPY loads."""

_NAMED_LATER = "Objects are named by batches, below one prefix."
_ASK = ["redshift-data:BatchExecuteStatement", "redshift-data:ExecuteStatement"]
_OWN = [
    "redshift-data:CancelStatement",
    "redshift-data:DescribeStatement",
    "redshift-data:GetStatementResult",
]


def declare_copy_role(scope: Construct, staging: s3.IBucket, archive: s3.IBucket, key: kms.IKey) -> iam.Role:
    """What COPY acts as: it reads what is staged, and the archive of `events`."""
    services = [iam.ServicePrincipal(f"{name}.amazonaws.com") for name in ("redshift", "redshift-serverless")]
    role = iam.Role(scope, "CopyRole", assumed_by=iam.CompositePrincipal(*services))
    folder = DELIVERIES["events"].prefix.partition("!{")[0].partition("/")[0] + "/"
    for bucket, prefix in ((staging, LOADS), (archive, folder)):
        role.add_to_policy(
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects(f"{prefix}*")])
        )
        role.add_to_policy(listing(bucket, prefix))
        accept_objects(role, bucket, prefix, reason=_NAMED_LATER)
    role.add_to_policy(through("s3", key, ["kms:Decrypt"]))
    return role


def let_write(role: iam.Role, warehouse: Warehouse, staging: s3.IBucket, key: kms.IKey) -> None:
    """Let the role be a database user, and stage what COPY loads; it reads nothing of the bucket."""
    connects = iam.PolicyStatement(
        actions=["redshift-serverless:GetCredentials"], resources=[warehouse.workgroup_arn]
    )
    stages = iam.PolicyStatement(
        actions=["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"],
        resources=[staging.arn_for_objects(f"{LOADS}*")],
    )
    for statement in (connects, stages, through("s3", key, USE)):
        role.add_to_policy(statement)
    accept_objects(role, staging, LOADS, reason=_NAMED_LATER)


def name_role(role: iam.Role, stage: Stage, name: str) -> str:
    """Give the role a name that another stack can know beforehand; the name, one for each region."""
    made = role.node.default_child
    assert isinstance(made, iam.CfnRole), "only a role that a stack of ours makes can be named"
    made.role_name = f"{stage.stack(name)}-{stage.file.region}"
    return made.role_name


class Analyst(iam.Role):
    """Whom the account's administrators let assume it reads, by the Data API, what analysts may."""

    def __init__(self, scope: Construct, warehouse: Warehouse) -> None:
        super().__init__(
            scope,
            "Analyst",
            assumed_by=iam.AccountRootPrincipal(),
            description="headrace: reads the warehouse by the Data API",
            max_session_duration=cdk.Duration.hours(12),
        )
        own = {"StringEquals": {"redshift-data:statement-owner-iam-userid": "${aws:userid}"}}
        for statement in (
            iam.PolicyStatement(
                actions=["redshift-serverless:GetCredentials"], resources=[warehouse.workgroup_arn]
            ),
            iam.PolicyStatement(actions=_ASK, resources=[warehouse.workgroup_arn]),
            iam.PolicyStatement(actions=_OWN, resources=["*"], conditions=own),
        ):
            self.add_to_policy(statement)
        accept_wildcard(self, "Resource::*", reason="Statements have no ARN; a condition keeps to one's own.")
