"""The function that Firehose calls with records of `events`, its role and its log."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import bundle
from infra.local.deployment import FUNCTION
from infra.stacks.accepted import accept
from infra.stacks.key import through
from infra.stacks.log_groups import declare_log_group
from infra.stacks.stage import Stage

SERVICE = "transform"
"""What it calls itself in its metrics and its log."""

TIMEOUT = cdk.Duration.seconds(60)


class Transform(lambda_.Function):
    """It may put to the stream of rejects and write its own log; nothing else."""

    def __init__(
        self, scope: Construct, stage: Stage, code: lambda_.Code, errors: kinesis.IStream, key: kms.IKey
    ) -> None:
        log = declare_log_group(scope, "TransformLog", key)
        role = iam.Role(scope, "TransformRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        super().__init__(
            scope,
            "Transform",
            function_name=stage.fixed(FUNCTION),
            description="Good records of `events` to the archive, rejects to `errors`.",
            code=code,
            handler=bundle.HANDLER,
            runtime=lambda_.Runtime(f"python{bundle.PYTHON}", lambda_.RuntimeFamily.PYTHON),
            architecture=lambda_.Architecture.X86_64,
            memory_size=512,
            timeout=TIMEOUT,
            role=role,
            log_group=log,
            environment={
                "HEADRACE_ERROR_STREAM": errors.stream_name,
                "HEADRACE_EMF_NAMESPACE": stage.metrics,
                "POWERTOOLS_SERVICE_NAME": SERVICE,
            },
        )
        writes_log = ["logs:CreateLogStream", "logs:PutLogEvents"]
        for statement in (
            iam.PolicyStatement(actions=["kinesis:PutRecords"], resources=[errors.stream_arn]),
            through("kinesis", key, ["kms:GenerateDataKey"]),
            iam.PolicyStatement(actions=writes_log, resources=[log.log_group_arn]),
        ):
            role.add_to_principal_policy(statement)
        accept(self, L1="The bundle holds code that is compiled for this version, which the tests run on.")
