"""What holds data on the laptop: made by the stack, unless it was there before the stack was.

The emulator does not refuse to make a stream that exists, it empties it; and a bucket that exists fails the
whole stack. So each has a parameter that says whether the stack makes it.
"""

import aws_cdk as cdk
from constructs import Construct

from infra.local.deployment import KEEP, MAKE


def unless_there(resource: Construct, parameter: str) -> None:
    """Let a parameter of the stack, MAKE or KEEP, decide whether the resource (and its policy) is made."""
    stack = cdk.Stack.of(resource)
    given = cdk.CfnParameter(
        stack, parameter, default=MAKE, allowed_values=[MAKE, KEEP], description="keep: it is there already"
    )
    made = cdk.CfnCondition(
        stack, f"{parameter}Made", expression=cdk.Fn.condition_equals(given.value_as_string, MAKE)
    )
    for part in resource.node.find_all():
        if isinstance(part, cdk.CfnResource):
            part.cfn_options.condition = made
