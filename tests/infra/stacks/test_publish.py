import re
from collections.abc import Iterator

import pytest

from infra.published import Published
from tests.infra.synthesis import ON_AWS, Template, every, of_type

pytestmark = pytest.mark.xdist_group("cdk")


def parameters() -> Iterator[tuple[str, str, Template]]:
    """(stage, part, properties) of every parameter."""
    for stage, part, template in every():
        for parameter in of_type(template, "AWS::SSM::Parameter").values():
            yield stage, part, parameter


def test_every_parameter_is_a_declared_name_of_its_stack() -> None:
    declared = {str(name): name for name in Published}
    for stage, part, parameter in parameters():
        name = declared[parameter["Name"].removeprefix(f"/headrace/{stage}/")]
        assert (name.stack, name.meaning) == (part, parameter["Description"])
        assert parameter["Type"] == "String"  # nothing in it is a secret


@pytest.mark.parametrize("stage", ON_AWS)
def test_a_stage_with_all_stacks_publishes_every_name(stage: str) -> None:
    found = {parameter["Name"] for name, _, parameter in parameters() if name == stage}
    assert found == {f"/headrace/{stage}/{name}" for name in Published}


def test_the_laptop_publishes_the_names_of_its_stack() -> None:
    found = {parameter["Name"] for stage, _, parameter in parameters() if stage == "local"}
    assert found == {f"/headrace/local/{name}" for name in Published if name.stack == "stream"}


def test_nothing_that_is_published_holds_an_account_or_a_credential() -> None:
    for _, _, parameter in parameters():
        value = re.sub(r"[0-9a-f]{64}", "", str(parameter["Value"]))  # a hash of what was built
        assert not re.search(r"\d{12}|AKIA|password", value)
