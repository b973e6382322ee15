"""What CloudFormation has no type for: the limit of the warehouse's use, and where its secret is."""

from typing import Any, Protocol

from infra.stacks.stage_file import Warehouse

_COMPUTE = "serverless-compute"


class Serverless(Protocol):
    """boto3's client for `redshift-serverless`, as far as it is used here."""

    def get_namespace(self, *, namespaceName: str) -> dict[str, Any]:  # noqa: N803  the service's names
        """Tell of a namespace."""

    def get_workgroup(self, *, workgroupName: str) -> dict[str, Any]:  # noqa: N803  as above
        """Tell of a workgroup."""

    def list_usage_limits(self, *, resourceArn: str, usageType: str) -> dict[str, Any]:  # noqa: N803
        """Tell the limits."""

    def create_usage_limit(self, **request: object) -> object:
        """Make a limit."""

    def update_usage_limit(self, **request: object) -> object:
        """Change a limit."""


def workgroup_of(stage: str) -> str:
    """What a stage's workgroup is called."""
    return f"headrace-{stage}"


def limit_use(client: Serverless, workgroup: str, wanted: Warehouse) -> str:
    """Let the warehouse turn itself off at its RPU-hours a day: "made", "changed" or "kept".

    Safe to repeat. Raises what boto3 raises.
    """
    arn = client.get_workgroup(workgroupName=workgroup)["workgroup"]["workgroupArn"]
    found = client.list_usage_limits(resourceArn=arn, usageType=_COMPUTE).get("usageLimits", [])
    limit: dict[str, object] = {"amount": wanted.daily_rpu_hours, "breachAction": "deactivate"}
    daily = [one for one in found if one["period"] == "daily"]
    if not daily:
        client.create_usage_limit(resourceArn=arn, usageType=_COMPUTE, period="daily", **limit)
        return "made"
    if all(daily[0][name] == value for name, value in limit.items()):
        return "kept"
    client.update_usage_limit(usageLimitId=daily[0]["usageLimitId"], **limit)
    return "changed"


def administrator_secret(client: Serverless, namespace: str) -> str:
    """The ARN of the secret that Redshift made for the administrator. Raises what boto3 raises."""
    return str(client.get_namespace(namespaceName=namespace)["namespace"]["adminPasswordSecretArn"])
