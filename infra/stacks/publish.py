"""Names that a stack publishes, for the operator's commands and for processes that start."""

import aws_cdk as cdk
from aws_cdk import aws_ssm as ssm

from infra.published import Published
from infra.stacks.stage import Stage


def publish(stack: cdk.Stack, stage: Stage, **values: str) -> None:
    """A parameter for each, `EVENTS_STREAM=...`, the names being members of Published."""
    for member, value in values.items():
        published = Published[member]
        ssm.StringParameter(
            stack,
            "".join(word.capitalize() for word in member.split("_")) + "Parameter",
            parameter_name=stage.parameter(published),
            string_value=value,
            description=published.meaning,
        )
