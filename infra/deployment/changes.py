"""What a deployment would do to each resource, and to which of those that hold data."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

Template = Mapping[str, Any]

# DynamoDB holds leases only: the error desk's place is in the warehouse.
DATA_STORES = frozenset(
    {
        "AWS::EC2::Volume",
        "AWS::EFS::FileSystem",
        "AWS::KMS::Key",  # without it, what it has encrypted cannot be read
        "AWS::Kinesis::Stream",
        "AWS::RedshiftServerless::Namespace",
        "AWS::S3::Bucket",
    }
)
_NARROWED = {"Prefix", "TagFilters", "ObjectSizeGreaterThan", "ObjectSizeLessThan"}
_KEEPING = ("Retain", "RetainExceptOnCreate", "Snapshot")


class Fate(StrEnum):
    """What becomes of one resource."""

    MADE = "made"
    CHANGED = "changed"
    MAY_BE_REPLACED = "may be replaced"
    REPLACED = "replaced"
    LEFT = "left behind"
    DESTROYED = "destroyed"


_HARMLESS = frozenset({Fate.MADE, Fate.CHANGED})


class Change(NamedTuple):
    """One resource of one stack; `kept`: what is replaced or removed stays in the account."""

    stack: str
    resource: str
    type: str
    fate: Fate
    kept: bool = False

    @property
    def of_data(self) -> bool:
        """Whether data is lost, or is no longer where the service looks."""
        return self.type in DATA_STORES and self.fate not in _HARMLESS


def all_made(stack: str, template: Template) -> list[Change]:
    """Of a stack that is not there yet."""
    return [
        Change(stack, name, resource["Type"], Fate.MADE) for name, resource in template["Resources"].items()
    ]


def of_change_set(stack: str, told: Iterable[Mapping[str, Any]]) -> list[Change]:
    """As CloudFormation tells them, one `ResourceChange` each."""
    return [
        Change(stack, one["LogicalResourceId"], one["ResourceType"], _fate(one), _is_kept(one))
        for one in told
    ]


def of_templates(stack: str, before: Template, after: Template) -> list[Change]:
    """By comparison alone, where CloudFormation cannot tell yet: what is changed may then be replaced too."""
    old, new = before["Resources"], after["Resources"]
    changed = [
        Change(stack, name, resource["Type"], _guess(old.get(name), resource))
        for name, resource in new.items()
        if old.get(name) != resource
    ]
    gone = [
        Change(
            stack, name, resource["Type"], Fate.LEFT if keeps(resource) else Fate.DESTROYED, keeps(resource)
        )
        for name, resource in old.items()
        if name not in new
    ]
    return changed + gone


def keeps(resource: Mapping[str, Any]) -> bool:
    """Whether a template's resource outlives its stack."""
    return resource.get("DeletionPolicy") in _KEEPING


def is_passing(resource: Mapping[str, Any]) -> bool:
    """Whether it holds nothing to keep: a bucket all of whose objects expire by themselves."""
    rules = resource.get("Properties", {}).get("LifecycleConfiguration", {}).get("Rules", ())
    return any(
        rule.get("Status") == "Enabled" and "ExpirationInDays" in rule and not _NARROWED & rule.keys()
        for rule in rules
    )


def _fate(told: Mapping[str, Any]) -> Fate:
    if told["Action"] == "Add":
        return Fate.MADE
    if told["Action"] == "Remove":
        return Fate.LEFT if _is_kept(told) else Fate.DESTROYED
    replaced = {"True": Fate.REPLACED, "Conditional": Fate.MAY_BE_REPLACED}
    return replaced.get(told.get("Replacement", "False"), Fate.CHANGED)


def _is_kept(told: Mapping[str, Any]) -> bool:
    return str(told.get("PolicyAction", "")).endswith(("Retain", "Snapshot"))


def _guess(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Fate:
    if before is None:
        return Fate.MADE
    same = before.get("Properties") == after.get("Properties") and before["Type"] == after["Type"]
    return Fate.CHANGED if same else Fate.MAY_BE_REPLACED
