"""The warehouse stack: Redshift Serverless, the bucket that it loads from, and who may read and write."""

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.network_stack import NetworkStack
from infra.stacks import warehouse_access as access
from infra.stacks.publish import publish
from infra.stacks.stage import Stage
from infra.stacks.stage_stack import StageStack
from infra.stacks.staging import declare_staging
from infra.stacks.warehouse import PORT, Warehouse
from infra.stacks.warehouse_alarms import watch_warehouse
from infra.stream_stack import StreamStack


class WarehouseStack(StageStack):
    """One stage of the warehouse.

    Attributes:
        staging: the bucket that COPY loads from.
        copy_role: what COPY acts as.
        database: the database's name.
        workgroup_arn: for policies.
        url: HEADRACE_WAREHOUSE_URL of what runs inside the network.
    """

    def __init__(self, scope: Construct, stage: Stage, network: NetworkStack, stream: StreamStack) -> None:
        super().__init__(scope, stage, "warehouse")
        self._key, self._writers = stream.key, list[str]()
        self.staging = declare_staging(self, stage, self._key)
        self.copy_role = access.declare_copy_role(self, self.staging, stream.archive, self._key)
        self._warehouse = Warehouse(
            self,
            stage,
            vpc=network.vpc,
            subnets=network.private,
            key=self._key,
            copy_role=self.copy_role,
        )
        self.database, self.workgroup_arn = self._warehouse.database, self._warehouse.workgroup_arn
        name, region = self._warehouse.workgroup_name, self.region
        self.url = (
            f"redshift://{self._warehouse.host}:{PORT}/{self.database}?workgroup={name}&region={region}"
            f"&staging=s3://{self.staging.bucket_name}/{access.LOADS[:-1]}&copy_role={self.copy_role.role_arn}"
        )
        analyst = access.Analyst(self, self._warehouse)
        publish(
            self,
            stage,
            WAREHOUSE_URL=self.url,
            WAREHOUSE_API_URL=f"redshift-data://{name}/{self.database}?region={region}",
            WAREHOUSE_NAMESPACE=self._warehouse.namespace_name,
            WAREHOUSE_READERS=f"IAMR:{analyst.role_name}",
            STAGING_BUCKET=self.staging.bucket_name,
        )
        assert stage.file.warehouse is not None
        watch_warehouse(stream.alarms.of(self), stage.file.warehouse, name)

    def let_write(self, role: iam.Role, name: str) -> None:
        """Let a role of another stack be a database user that writes; the role is given a name for it.

        The name is `headrace-<stage>-<name>-<region>`, and the user `IAMR:` and that name is published, for
        the migration to make it.
        """
        access.let_write(role, self._warehouse, self.staging, self._key)
        if not self._writers:
            publish(self, self._stage, WAREHOUSE_WRITERS=cdk.Lazy.string(_Joined(self._writers)))
        self._writers.append(f"IAMR:{access.name_role(role, self._stage, name)}")


@jsii.implements(cdk.IStableStringProducer)
class _Joined:
    """What a list holds when the template is written."""

    def __init__(self, parts: list[str]) -> None:
        self._parts = parts

    def produce(self) -> str:
        """The parts in order, separated by commas."""
        return ",".join(sorted(self._parts))
