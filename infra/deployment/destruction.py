"""The end of a stage: its stacks go, last made first, and of what holds data what is not kept.

A run that was cut off is finished by another: what is gone is passed over.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from headrace.errors import DeploymentFailed
from infra.deployment import changes
from infra.deployment.emptying import empty
from infra.deployment.remainder import Held
from infra.deployment.stacks import Stacks
from infra.stacks.stage import Stage

PARTS = ("network", "stream", "warehouse", "cluster", "producers", "error-desk")
"""The stacks of a stage, each after those it needs."""

_BUCKET = "AWS::S3::Bucket"
_ATTEMPTS = 3  # a service that still writes fills a bucket again until its own stack's part is gone


@dataclass(frozen=True)
class Destruction:
    """Of one stage, as it is deployed: whatever its file says now, the deployed templates decide."""

    stage: Stage
    stacks: Stacks
    say: Callable[[str], None]

    def doomed(self) -> list[str]:
        """The stage's stacks that are there, in the order in which they go; one unknown goes first."""
        order = {self.stage.stack(part): place for place, part in enumerate(PARTS)}
        found = self.stacks.names(self.stage.stack(""))
        return sorted(found, key=lambda name: order.get(name, len(order)), reverse=True)

    def held(self, names: list[str]) -> list[Held]:
        """All that the stacks hold once they are at rest, each with whether it is to outlive its stack."""
        found = []
        for name in names:
            self.stacks.settle(name)
            template = self.stacks.template(name)["Resources"]
            found += [
                Held(name, one.physical, one.type, changes.keeps(declared), changes.is_passing(declared))
                for one in self.stacks.resources(name)
                if one.physical and one.status != "DELETE_COMPLETE"
                for declared in [template.get(one.logical, {})]
            ]
        return found

    def check(self, names: list[str]) -> None:
        """Raise DeploymentFailed when a stack that stays needs one that goes, before anything is emptied."""
        for other in self.doomed():
            if other not in names:
                template = json.dumps(self.stacks.template(other))
                if needed := [name for name in names if f'"{name}:' in template]:  # exports begin so
                    raise DeploymentFailed(f"stack {other} needs {needed[0]}: destroy {other} first")

    def destroy(self, name: str, held: list[Held]) -> None:
        """Empty the stack's buckets that are not kept, and delete it.

        Raises DeploymentFailed with CloudFormation's reasons.
        """
        buckets = [one.name for one in held if one.stack == name and one.type == _BUCKET and not one.kept]
        for attempt in range(_ATTEMPTS):
            try:
                self._empty(buckets)
                self.say(f"{name}: deleting")
                self.stacks.delete(name)
            except DeploymentFailed as error:
                if attempt == _ATTEMPTS - 1 or not buckets:
                    raise
                self.say(f"{error}; trying again")
            else:
                self.say(f"{name}: gone")
                return

    def _empty(self, buckets: list[str]) -> None:
        s3 = self.stacks.cloud.client("s3")
        for bucket in buckets:
            self.say(f"s3://{bucket}: emptied of {empty(s3, bucket, self.say):,} versions")
