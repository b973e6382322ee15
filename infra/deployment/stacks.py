"""The stacks of an account as CloudFormation keeps them: their state, what they hold, and their end."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from headrace.errors import DeploymentFailed
from headrace.ops.clock import Clock
from infra.deployment.cloud import Cloud

Template = dict[str, Any]
POLL_SECONDS, EMULATOR_POLL_SECONDS = 5.0, 0.05
NOT_YET = frozenset({"", "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"})
"""Of a stack that holds nothing: never made, only looked at, or gone."""

BEGUN_BADLY = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
"""Of a stack whose making failed: it cannot be updated, only be removed."""


class Resource(NamedTuple):
    """One resource of a stack: its name in the template, its name in AWS, its type and its state."""

    logical: str
    physical: str
    type: str
    status: str


@dataclass(frozen=True)
class Stacks:
    """`say` is told what is waited for."""

    cloud: Cloud
    clock: Clock
    say: Callable[[str], None]

    @property
    def poll_seconds(self) -> float:
        """Seconds between two questions about the same."""
        return EMULATOR_POLL_SECONDS if self.cloud.endpoint else POLL_SECONDS

    def names(self, prefix: str) -> list[str]:
        """The stacks that are there, if only to be looked at, and whose names begin so."""
        pages = self._client.get_paginator("describe_stacks").paginate()
        found = [stack["StackName"] for page in pages for stack in page["Stacks"]]
        return [name for name in found if name.startswith(prefix)]

    def find(self, name: str) -> dict[str, Any] | None:
        """What CloudFormation says of the stack; None when there is none."""
        import botocore.exceptions  # noqa: PLC0415  loaded with boto3 by now

        try:
            found: dict[str, Any] = self._client.describe_stacks(StackName=name)["Stacks"][0]
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return found

    def status(self, name: str) -> str:
        """Its status; empty when there is no such stack."""
        found = self.find(name)
        return "" if found is None else str(found["StackStatus"])

    def settle(self, name: str) -> str:
        """Its status once nothing is under way: a run that was cut off leaves CloudFormation at work."""
        told = ""
        while (status := self.status(name)).endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            if status != told:
                self.say(f"{name}: {status}, waiting for CloudFormation")
                told = status
            self.clock.sleep(self.poll_seconds)
        return status

    def mend(self, name: str) -> None:
        """Let what was cut off come to an end from which to go on.

        Raises DeploymentFailed for a stack that cannot be rolled back, or that is half destroyed.
        """
        if (status := self.settle(name)) == "UPDATE_ROLLBACK_FAILED":
            self.say(f"{name}: {status}, rolling it back to its end")
            self._client.continue_update_rollback(StackName=name)
            status = self.settle(name)
        if status == "UPDATE_ROLLBACK_FAILED":
            raise DeploymentFailed(
                f"stack {name} cannot be rolled back: {self._reasons(name)}: mend that, and deploy again"
            )
        if status == "DELETE_FAILED":
            raise DeploymentFailed(
                f"stack {name} is half destroyed: {self._reasons(name)}: finish `headrace destroy` first"
            )

    def clear(self, name: str) -> None:
        """Remove a stack whose making failed, so that it can be made anew. Raises DeploymentFailed."""
        if (status := self.status(name)) in BEGUN_BADLY:
            self.say(f"{name}: {status}, removing it to make it anew")
            self.delete(name)

    def template(self, name: str) -> Template:
        """As it is deployed; without resources for a stack that holds nothing."""
        if self.status(name) in NOT_YET:
            return {"Resources": {}}
        body = self._client.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        return dict(json.loads(body)) if isinstance(body, str) else dict(body)

    def resources(self, name: str) -> list[Resource]:
        """What it holds; nothing for a stack that is not there."""
        if self.status(name) in NOT_YET:
            return []
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
        return [
            Resource(
                one["LogicalResourceId"],
                one.get("PhysicalResourceId", ""),
                one["ResourceType"],
                one["ResourceStatus"],
            )
            for page in pages
            for one in page["StackResourceSummaries"]
        ]

    def delete(self, name: str) -> None:
        """Delete it and see it gone. Raises DeploymentFailed with CloudFormation's reasons."""
        stack = self.find(name)
        if stack is None:
            return
        self._client.delete_stack(StackName=name)
        if self.settle(name) not in NOT_YET:
            raise DeploymentFailed(f"stack {name} was not deleted: {self._reasons(stack['StackId'])}")

    @property
    def _client(self) -> Any:  # noqa: ANN401  as Cloud's clients
        return self.cloud.client("cloudformation")

    def _reasons(self, stack: str) -> str:
        """Why the latest that was asked of the stack failed."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=stack)
        events = (event for page in pages for event in page["StackEvents"])  # the newest first
        failed = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
            for event in takewhile(lambda event: not _begins(event), events)
            if event["ResourceStatus"].endswith("_FAILED")
        ]
        return "; ".join(dict.fromkeys(failed)) or "it says no reason"


def _begins(event: Mapping[str, Any]) -> bool:
    """Whether the stack itself, not a resource of it, has begun something."""
    return event.get("PhysicalResourceId") == event["StackId"] and event["ResourceStatus"].endswith(
        "_IN_PROGRESS"
    )
