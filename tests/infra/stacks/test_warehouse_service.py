from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.stacks.stage_file import Warehouse
from infra.stacks.warehouse_service import administrator_secret, limit_use

ARN = "arn:aws:redshift-serverless:us-east-1:111122223333:workgroup/0f9e"
WANTED = Warehouse(daily_rpu_hours=16)
OURS = {"amount": 16, "breachAction": "deactivate"}


@pytest.fixture
def client() -> Any:
    named: Any = "redshift-serverless"  # of which the types are not installed
    return boto3.client(named, region_name="us-east-1")


@pytest.fixture
def service(client: Any) -> Iterator[Stubber]:
    """Answers in the order given; what botocore's model does not know fails."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def there(service: Stubber, *limits: dict[str, Any]) -> None:
    workgroup = {"workgroup": {"workgroupArn": ARN, "workgroupName": "headrace-dev"}}
    service.add_response("get_workgroup", workgroup, {"workgroupName": "headrace-dev"})
    asked = {"resourceArn": ARN, "usageType": "serverless-compute"}
    found = {"usageLimits": list(limits)} if limits else {}
    service.add_response("list_usage_limits", found, asked)


@pytest.mark.parametrize("others", [[], [{"usageLimitId": "w", "period": "weekly"} | OURS]])
def test_a_warehouse_without_a_limit_is_given_one(
    client: Any, service: Stubber, others: list[dict[str, Any]]
) -> None:
    there(service, *others)
    made = {"resourceArn": ARN, "usageType": "serverless-compute", "period": "daily"} | OURS
    service.add_response("create_usage_limit", {}, made)
    assert limit_use(client, "headrace-dev", WANTED) == "made"


@pytest.mark.parametrize("old", [{"amount": 15}, {"breachAction": "log"}])
def test_another_limit_is_changed(client: Any, service: Stubber, old: dict[str, Any]) -> None:
    there(service, {"usageLimitId": "d", "period": "daily"} | OURS | old)
    service.add_response("update_usage_limit", {}, {"usageLimitId": "d"} | OURS)
    assert limit_use(client, "headrace-dev", WANTED) == "changed"


def test_the_same_limit_is_kept(client: Any, service: Stubber) -> None:
    there(service, {"usageLimitId": "d", "period": "daily"} | OURS)
    assert limit_use(client, "headrace-dev", WANTED) == "kept"


def test_the_namespace_knows_the_administrators_secret(client: Any, service: Stubber) -> None:
    secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:redshift!dev-admin-a1b2c3"
    answer = {"namespace": {"namespaceName": "dev-1", "adminPasswordSecretArn": secret}}
    service.add_response("get_namespace", answer, {"namespaceName": "dev-1"})
    assert administrator_secret(client, "dev-1") == secret
