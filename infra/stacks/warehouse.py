"""Redshift Serverless: the namespace that keeps the data, the workgroup that computes, and its door."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_redshiftserverless as serverless
from constructs import Construct

from infra.stacks.log_groups import declare_log_group
from infra.stacks.stage import Stage
from infra.stacks.warehouse_service import workgroup_of

PORT = 5439

_ADMINISTRATOR = "headrace_admin"
_AUDITS = ("connectionlog", "userlog")  # the log of statements would hold records
_LONGEST_STATEMENT_SECONDS = 3600  # a statement that hangs must not keep the writers' lock for ever


class Warehouse(Construct):
    """Reached from inside the network alone, by TLS; who comes is known by IAM, but for the administrator."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        key: kms.IKey,
        copy_role: iam.IRole,
    ) -> None:
        super().__init__(scope, "Redshift")
        wanted, network = stage.file.warehouse, stage.file.network
        assert wanted is not None, "a stage without a warehouse has no such stack"
        assert network is not None, "the stage file is checked"
        self.database = wanted.database
        self.workgroup_name = workgroup_of(stage.name)
        self._namespace = self._keep(stage, key, copy_role)
        self._workgroup = serverless.CfnWorkgroup(
            self,
            "Workgroup",
            workgroup_name=self.workgroup_name,
            namespace_name=self._namespace.ref,
            base_capacity=wanted.base_rpu,
            max_capacity=wanted.max_rpu,
            enhanced_vpc_routing=True,
            publicly_accessible=False,
            port=PORT,
            subnet_ids=vpc.select_subnets(subnet_group_name=subnets.subnet_group_name).subnet_ids,
            security_group_ids=[self._door(vpc, network.cidr).security_group_id],
            config_parameters=[
                _parameter("require_ssl", "true"),
                _parameter("max_query_execution_time", str(_LONGEST_STATEMENT_SECONDS)),
            ],
        )

    @property
    def workgroup_arn(self) -> str:
        """The workgroup's ARN, for policies."""
        return self._workgroup.attr_workgroup_workgroup_arn

    @property
    def host(self) -> str:
        """The workgroup's address in the network."""
        return self._workgroup.attr_workgroup_endpoint_address

    @property
    def namespace_name(self) -> str:
        """What the namespace is called; it alone knows the administrator's secret."""
        return self._namespace.ref

    def _keep(self, stage: Stage, key: kms.IKey, copy_role: iam.IRole) -> serverless.CfnNamespace:
        """A name of its own for each stack: one that was kept is not in the way of the next."""
        stack_id = cdk.Fn.select(2, cdk.Fn.split("/", cdk.Aws.STACK_ID))
        name = f"headrace-{stage.name}-{cdk.Fn.select(0, cdk.Fn.split('-', stack_id))}"
        made = serverless.CfnNamespace(
            self,
            "Namespace",
            namespace_name=name,
            db_name=self.database,
            admin_username=_ADMINISTRATOR,
            manage_admin_password=True,
            admin_password_secret_kms_key_id=key.key_arn,
            kms_key_id=key.key_arn,
            iam_roles=[copy_role.role_arn],
            log_exports=list(_AUDITS),
        )
        made.apply_removal_policy(stage.data_policy)
        for audit in _AUDITS:
            called = f"/aws/redshift/{name}/{audit}"  # where Redshift looks for it
            year = logs.RetentionDays.ONE_YEAR
            made.node.add_dependency(
                declare_log_group(self, audit.capitalize(), key, called=called, kept=year)
            )
        return made

    def _door(self, vpc: ec2.IVpc, cidr: str) -> ec2.SecurityGroup:
        """In: the network's own range. Out: HTTPS, to what the network has endpoints for."""
        group = ec2.SecurityGroup(
            self, "Door", vpc=vpc, description="headrace: the warehouse", allow_all_outbound=False
        )
        group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(PORT), "the network")
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3 and keys, by endpoints")
        return group


def _parameter(key: str, value: str) -> serverless.CfnWorkgroup.ConfigParameterProperty:
    return serverless.CfnWorkgroup.ConfigParameterProperty(parameter_key=key, parameter_value=value)
