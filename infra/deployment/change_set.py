"""What CloudFormation says it would do to a stack: asked by a change set, which is removed again."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.errors import DeploymentFailed
from headrace.ops.clock import new_ulid
from infra.deployment import changes
from infra.deployment.assembly import Declared
from infra.deployment.bootstrap import asset_bucket
from infra.deployment.changes import Change
from infra.deployment.cloud import Account
from infra.deployment.stacks import BEGUN_BADLY, NOT_YET, Stacks
from infra.local.deployment import LONGEST_BODY

NAME = "headrace-view"
_NOTHING = ("didn't contain changes", "No updates are to be performed")
_NOT_EXPORTED = "No export named"
_FIRST = {
    "DELETE_FAILED": "`headrace destroy` finishes that first",
    "UPDATE_ROLLBACK_FAILED": "`headrace deploy` first rolls it back to its end",
}
"""What has to be done before CloudFormation says anything of a change."""
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def view(stacks: Stacks, account: Account, declared: Declared, parameters: Mapping[str, str]) -> list[Change]:
    """What deploying the stack would do now.

    A stack that is not there is not asked about, since that would make an empty one; one whose making failed
    is made anew. Where it needs what another stack does not export yet, the templates are compared instead.
    Raises DeploymentFailed.
    """
    if (status := stacks.settle(declared.name)) in NOT_YET | BEGUN_BADLY:
        return changes.all_made(declared.name, declared.template)
    if status in _FIRST:
        raise DeploymentFailed(f"stack {declared.name} is {status}: {_FIRST[status]}")
    client = stacks.cloud.client("cloudformation")
    # A name of its own: of two operators none sees, or removes, the other's.
    place = {"StackName": declared.name, "ChangeSetName": f"{NAME}-{new_ulid(stacks.clock)}"}
    client.create_change_set(
        **place,
        ChangeSetType="UPDATE",
        Capabilities=_CAPABILITIES,
        Parameters=list(_given(stacks, declared, parameters)),
        **_body(stacks, account, declared),
    )
    try:
        told = _described(stacks, client, place)
        if told["Status"] != "FAILED":
            return changes.of_change_set(declared.name, _all(client, place, told))
    finally:
        client.delete_change_set(**place)
    reason = told.get("StatusReason", "")
    if any(words in reason for words in _NOTHING):
        return []
    if _NOT_EXPORTED in reason:
        return changes.of_templates(declared.name, stacks.template(declared.name), declared.template)
    raise DeploymentFailed(f"CloudFormation refuses the change of stack {declared.name}: {reason}")


def _described(stacks: Stacks, client: Any, place: Mapping[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """The change set once it is made, or has failed."""
    told: dict[str, Any] = client.describe_change_set(**place)
    while told["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
        stacks.clock.sleep(stacks.poll_seconds)
        told = client.describe_change_set(**place)
    return told


def _all(client: Any, place: Mapping[str, str], first: dict[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    page = first
    while True:
        yield from (one["ResourceChange"] for one in page["Changes"] if one["Type"] == "Resource")
        if "NextToken" not in page:
            return
        page = client.describe_change_set(**place, NextToken=page["NextToken"])


def _given(stacks: Stacks, declared: Declared, parameters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """A parameter that is not given stays as it is, or has its default."""
    found = stacks.find(declared.name) or {}
    before = {one["ParameterKey"] for one in found.get("Parameters", ())}
    for name in declared.template.get("Parameters", {}):
        if name in parameters:
            yield {"ParameterKey": name, "ParameterValue": parameters[name]}
        elif name in before:
            yield {"ParameterKey": name, "UsePreviousValue": True}


def _body(stacks: Stacks, account: Account, declared: Declared) -> dict[str, str]:
    """The template in the request, or where it is too long for that in the bootstrap stack's bucket."""
    body = json.dumps(declared.template, separators=(",", ":"))
    if len(body) <= LONGEST_BODY:
        return {"TemplateBody": body}
    bucket, key = asset_bucket(account), f"{NAME}/{hashlib.sha256(body.encode()).hexdigest()}.json"
    s3 = stacks.cloud.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=body.encode())
    return {"TemplateURL": f"{s3.meta.endpoint_url}/{bucket}/{key}"}
