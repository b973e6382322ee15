"""The CDK's bootstrap stack: the bucket and the roles that its command line deploys with, once a region."""

from infra.deployment.cloud import Account
from infra.deployment.stacks import Stacks

STACK = "CDKToolkit"
_QUALIFIER = "hnb659fds"  # the CDK's own
_VERSION = f"/cdk-bootstrap/{_QUALIFIER}/version"
_GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


def asset_bucket(account: Account) -> str:
    """The bucket that assets are uploaded to. Source: the CDK's DefaultStackSynthesizer."""
    return f"cdk-{_QUALIFIER}-assets-{account.number}-{account.region}"


def is_bootstrapped(stacks: Stacks, needed: int) -> bool:
    """Whether the stack is there, whole, and of the version that is needed or a later one."""
    if stacks.settle(STACK) not in _GOOD:
        return False
    ssm = stacks.cloud.client("ssm")
    found = ssm.get_parameters(Names=[_VERSION])["Parameters"]
    return bool(found) and int(found[0]["Value"]) >= needed
