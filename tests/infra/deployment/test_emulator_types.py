"""Which resources of all stages the emulator does not know: a list, held against what it says."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from headrace.ops.clock import SystemClock
from infra.local import emulator
from infra.local.state import State
from tests.infra.synthesis import every

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("cdk")]

NOT_ON_THE_EMULATOR = {
    "AWS::EC2::FlowLog",
    "AWS::EC2::Instance",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Volume",
    "AWS::EMR::SecurityConfiguration",
    "AWS::EMRServerless::Application",
    "AWS::RedshiftServerless::Namespace",
    "AWS::RedshiftServerless::Workgroup",
}


@pytest.fixture
def stacks(tmp_path: Path) -> Iterator[Any]:
    state = State(tmp_path / ".headrace")
    process = emulator.start(state, os.environ, SystemClock(), preferred=0)
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    yield session.client("cloudformation", endpoint_url=emulator.endpoint(process))
    emulator.stop(state, SystemClock())


def refused(stacks: Any, types: set[str]) -> set[str]:
    """Those that CloudFormation does not recognize, asked for all at once."""
    resources = {f"Resource{place}": {"Type": name} for place, name in enumerate(sorted(types))}
    with pytest.raises(stacks.exceptions.ClientError) as error:
        stacks.create_change_set(
            StackName="probe",
            ChangeSetName="probe",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps({"Resources": resources}),
        )
    (listed,) = re.findall(r"Unrecognized resource types: \[(.*)\]", str(error.value))
    return set(listed.split(", "))


def test_the_list_of_types_that_the_emulator_lacks_is_exact(stacks: Any) -> None:
    types = {one["Type"] for _, _, template in every() for one in template["Resources"].values()}
    assert refused(stacks, {*types, "AWS::No::Such"}) == NOT_ON_THE_EMULATOR | {"AWS::No::Such"}


def test_the_stack_of_the_laptop_has_none_of_them() -> None:
    types = {one["Type"] for _, _, template in every(("local",)) for one in template["Resources"].values()}
    assert not types & NOT_ON_THE_EMULATOR
