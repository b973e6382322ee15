"""The DynamoDB tables that a fleet of KCL workers shares, and what it does with them.

KCL makes those that are missing; here they are declared, so that no task may make a table. Names and keys are
KCL 3.1's: DynamoDBLeaseRefresher, WorkerMetricStatsDAO, CoordinatorStateDAO.
"""

from typing import NamedTuple

APPLICATION = "headrace-error-desk"
"""HEADRACE_DESK_APPLICATION of a stage begins with it."""


class LeaseTable(NamedTuple):
    """A table named `<application><suffix>`; `key` and what the index is over are texts."""

    suffix: str
    key: str
    index_name: str = ""
    index_keys: tuple[str, str] | None = None


LEASE_TABLES = (
    LeaseTable("", "leaseKey", "LeaseOwnerToLeaseKeyIndex", ("leaseOwner", "leaseKey")),
    LeaseTable("-WorkerMetricStats", "wid"),
    LeaseTable("-CoordinatorState", "key"),
)

ON_TABLES = (
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
)
"""What a worker calls on the tables; writes in a transaction need the same."""
