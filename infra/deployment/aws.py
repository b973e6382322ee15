"""AWS as a target: everything that the stage's file asks for, in the operator's account."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from headrace.errors import DeploymentFailed
from headrace.ops.clock import Clock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.migration import Users, database_user, migrate
from headrace.warehouse.operators import open_operator
from infra.cluster import certificate, runner
from infra.cluster.emr_runner import EmrRunner
from infra.cluster.job import Facts, job_of
from infra.cluster.runner import JobRunner
from infra.cluster.serverless_runner import ServerlessRunner
from infra.deployment import cloud, published_names
from infra.deployment.cloud import Cloud
from infra.published import Published
from infra.stacks.stage import Stage
from infra.stacks.warehouse_service import administrator_secret, limit_use, workgroup_of

_VARIABLES = {
    "HEADRACE_STREAM": Published.EVENTS_STREAM,
    "HEADRACE_ERROR_STREAM": Published.ERRORS_STREAM,
    "HEADRACE_ARCHIVE_BUCKET": Published.ARCHIVE_BUCKET,
    "HEADRACE_WAREHOUSE_URL": Published.WAREHOUSE_API_URL,
}
"""What the operator's commands are told of a deployed stage."""


@dataclass(frozen=True)
class Aws:
    """`environ` are the operator's own credentials; the region is the stage file's."""

    stage: Stage
    given: Mapping[str, str]
    clock: Clock
    say: Callable[[str], None]

    def reach(self, *, start: bool = True) -> Cloud:  # noqa: ARG002  nothing of AWS's has to be started
        """The stage's region."""
        return self._cloud

    @cached_property
    def _cloud(self) -> Cloud:
        """One for all, so that credentials which ask for a code ask once."""
        return cloud.connect(self.given, self.stage.file.region)

    def parameters(self) -> Mapping[str, str]:
        """None: what the stacks carry travels as assets."""
        return {}

    def make_ready(self) -> Mapping[str, str]:
        """None, and nothing to do."""
        return {}

    def environ(self) -> Mapping[str, str]:
        """As the stage has published. Raises DeploymentFailed when it has not."""
        reached = self.reach()
        names = published_names.read(reached, self.stage)
        if Published.EVENTS_STREAM not in names:
            raise DeploymentFailed(f"stage {self.stage.name} is not deployed in {self.stage.file.region}")
        known = {variable: names[name] for variable, name in _VARIABLES.items() if name in names}
        return {**reached.environ, **known}

    def apply_schema(self) -> None:
        """The tables, roles and users in Redshift, by the Data API, as its administrator."""
        if (wanted := self.stage.file.warehouse) is None:
            return
        self.say("warehouse: applying the schema")
        reached = self.reach()
        names = published_names.read(reached, self.stage)
        operator = database_user(reached.account().caller)
        users = Users(
            _listed(names, Published.WAREHOUSE_WRITERS),
            _listed(names, Published.WAREHOUSE_READERS),
            [operator] if operator else [],
        )
        redshift = reached.client("redshift-serverless")
        limit = limit_use(redshift, workgroup_of(self.stage.name), wanted)
        self.say(f"warehouse: off at {wanted.daily_rpu_hours} RPU-hours a day, {limit}")
        secret = quote(administrator_secret(redshift, names[Published.WAREHOUSE_NAMESPACE]), safe="")
        url = f"{names[Published.WAREHOUSE_API_URL]}&secret={secret}"
        with closing(open_operator(url, self.clock, reached.environ)) as warehouse:
            migrate(warehouse, self.clock, list(OUTPUTS.values()), self.say, users)

    def run_job(self) -> None:
        """The stream job on the stage's cluster; one that is the same already goes on undisturbed."""
        if (found := self._runner()) is not None and (wanted := self.stage.file.cluster) is not None:
            runner.replace(found.runner, job_of(found.facts, wanted), self.clock, self.say)

    def end(self) -> None:
        """Stop the job, and the cluster with it; without the cluster's stack there is neither."""
        if (found := self._runner()) is not None:
            runner.end(found.runner, self.clock, self.say)

    def _runner(self) -> "_Found | None":
        reached = self.reach()
        told = published_names.read(reached, self.stage).get(Published.CLUSTER_REQUEST)
        if told is None:
            return None
        facts = msgspec.json.decode(told, type=Facts)
        if facts.application:  # what is deployed decides: the stage's file may ask for no cluster any more
            return _Found(facts, ServerlessRunner(reached.client("emr-serverless"), self.stage, facts))
        return _Found(facts, _on_ec2(reached, self.stage, facts))


class _Found(NamedTuple):
    """What the cluster's stack has made, and what runs the job there."""

    facts: Facts
    runner: JobRunner


def _on_ec2(reached: Cloud, stage: Stage, facts: Facts) -> EmrRunner:
    def password() -> str:
        secrets = reached.client("secretsmanager")
        return str(secrets.get_secret_value(SecretId=facts.kdc_secret)["SecretString"])

    def certify() -> None:
        certificate.ensure(reached.client("s3"), facts.certificate, stage.file.region)

    return EmrRunner(reached.client("emr"), stage, facts, prepare=certify, kdc_password=password)


def _listed(names: Mapping[Published, str], name: Published) -> list[str]:
    return [one for one in names.get(name, "").split(",") if one]
