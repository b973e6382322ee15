"""What every stack of a stage is: named after its part, and telling nobody that the CDK made it."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.stacks.stage import Stage


class StageStack(cdk.Stack):
    """One part of a stage."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        part: str,
        holds: str = "",
        **more: Any,  # noqa: ANN401  as cdk.Stack takes it
    ) -> None:
        """`holds`: what its description says, if not the part's name."""
        super().__init__(
            scope,
            stage.stack(part),
            description=f"headrace: {holds or part} of stage {stage.name}",
            analytics_reporting=False,
            **more,
        )
        self._stage = stage
