"""What is asked of AWS once the stacks are there."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import UnauthorizedSSOTokenError
from botocore.stub import Stubber

from headrace.errors import DeploymentFailed, SettingsError
from headrace.warehouse.migration import Users
from infra.cluster import runner
from infra.cluster.emr_runner import EmrRunner
from infra.cluster.job import Facts, job_of
from infra.cluster.runner import Job, Phase
from infra.cluster.serverless_runner import ServerlessRunner
from infra.deployment import aws, published_names
from infra.deployment.aws import Aws
from infra.deployment.cloud import Account, Cloud, connect, plainly
from infra.published import Published
from infra.stacks.stage import Stage
from infra.stacks.stage_file import Cluster, Network, StageFile, Warehouse
from tests.doubles.clock import ManualClock

FACTS = {
    "archive": "s3://code/job.tar.gz",
    "entry": "s3://code/entry.py",
    "checkpoint": "s3://code/checkpoint",
    "settings": {"HEADRACE_STREAM": "events"},
    "job_role": "arn:aws:iam::111122223333:role/job",
    "log_group": "log",
    "log_uri": "s3://logs/",
    "key": "arn:aws:kms:us-east-1:111122223333:key/k",
    "application": "00f00",
}
NAMES = {
    Published.EVENTS_STREAM: "events-1",
    Published.ERRORS_STREAM: "errors-1",
    Published.ARCHIVE_BUCKET: "archive-1",
    Published.WAREHOUSE_API_URL: "redshift-data://wg/headrace?region=us-east-1",
    Published.WAREHOUSE_NAMESPACE: "prod",
    Published.WAREHOUSE_WRITERS: "IAMR:job,IAMR:desk",
    Published.WAREHOUSE_READERS: "IAMR:analyst",
    Published.CLUSTER_REQUEST: json.dumps(FACTS),
}
SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:redshift!ns-admin"
ADMIN = Account("111122223333", "arn:aws:sts::111122223333:assumed-role/Admin/me", "eu-west-1")
GIVEN = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture
def said() -> list[str]:
    return []


def target(said: list[str], **file: Any) -> Aws:
    return Aws(Stage("prod", StageFile(network=Network(), **file)), GIVEN, ManualClock(), said.append)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[Published, str]:
    known = dict(NAMES)
    monkeypatch.setattr(published_names, "read", lambda *_: known)
    return known


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Redshift Serverless has no limit yet, and knows its administrator's secret."""
    client: Any = boto3.client(
        "redshift-serverless", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stubbed:
        arn = "arn:aws:redshift-serverless:us-east-1:111122223333:workgroup/0f9e"
        stubbed.add_response(
            "get_workgroup", {"workgroup": {"workgroupArn": arn}}, {"workgroupName": "headrace-prod"}
        )
        limited = {"resourceArn": arn, "usageType": "serverless-compute"}
        stubbed.add_response("list_usage_limits", {}, limited)
        daily = limited | {"period": "daily", "amount": 100, "breachAction": "deactivate"}
        stubbed.add_response("create_usage_limit", {}, daily)
        answer = {"namespace": {"adminPasswordSecretArn": SECRET}}
        stubbed.add_response("get_namespace", answer, {"namespaceName": "prod"})
        monkeypatch.setattr(Cloud, "account", lambda _: ADMIN)
        monkeypatch.setattr(Cloud, "client", lambda _, service: {"redshift-serverless": client}[service])
        yield
        stubbed.assert_no_pending_responses()


@pytest.mark.usefixtures("namespace")
def test_the_schema_is_applied_as_the_administrator_for_the_users_of_the_stage(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Operator:
        def close(self) -> None:
            asked.append("closed")

    def opened(url: str, *_: object) -> Operator:
        asked.append(url)
        return Operator()

    monkeypatch.setattr(aws, "open_operator", opened)
    monkeypatch.setattr(aws, "migrate", lambda *given: asked.append(given[-1]))
    target(said, warehouse=Warehouse()).apply_schema()
    users = Users(["IAMR:job", "IAMR:desk"], ["IAMR:analyst"], ["IAMR:Admin"])
    secret = "arn%3Aaws%3Asecretsmanager%3Aus-east-1%3A111122223333%3Asecret%3Aredshift%21ns-admin"
    assert asked == [f"{NAMES[Published.WAREHOUSE_API_URL]}&secret={secret}", users, "closed"]


def test_a_stage_without_warehouse_or_cluster_has_no_schema_and_no_job(
    said: list[str], names: dict[Published, str]
) -> None:
    del names[Published.CLUSTER_REQUEST]
    alone = target(said)
    alone.apply_schema()
    alone.run_job()
    alone.end()
    assert said == []


@pytest.mark.parametrize(("engine", "kind"), [("ec2", EmrRunner), ("serverless", ServerlessRunner)])
def test_the_job_runs_on_the_engine_that_is_deployed_and_ends_with_a_file_that_asks_for_none(
    said: list[str], names: dict[Published, str], monkeypatch: pytest.MonkeyPatch, engine: Any, kind: type
) -> None:
    asked: list[Any] = []
    facts = FACTS | ({} if engine == "serverless" else {"application": ""})
    names[Published.CLUSTER_REQUEST] = json.dumps(facts)

    def replace(runs: object, spec: object, *_: object) -> Job:
        asked.append((type(runs), spec))
        return Job("j", "", Phase.RUNNING)

    monkeypatch.setattr(runner, "replace", replace)
    monkeypatch.setattr(runner, "end", lambda runs, *_: asked.append(type(runs)))
    wanted = Cluster(engine=engine)
    stage = target(said, warehouse=Warehouse(), cluster=wanted)
    stage.run_job()
    target(said).run_job()
    target(said).end()
    assert asked == [(kind, job_of(Facts(**facts), wanted)), kind]  # type: ignore[arg-type]


def test_commands_are_told_what_the_stage_has_published(said: list[str], names: dict[Published, str]) -> None:
    environ = target(said).environ()
    assert environ["HEADRACE_STREAM"] == "events-1"
    assert environ["HEADRACE_WAREHOUSE_URL"] == NAMES[Published.WAREHOUSE_API_URL]
    assert environ["AWS_REGION"] == "us-east-1"
    names.clear()
    with pytest.raises(DeploymentFailed, match="stage prod is not deployed in us-east-1"):
        target(said).environ()


def test_an_account_shows_its_last_digits_only() -> None:
    assert str(ADMIN) == "assumed-role/Admin/me in account ********3333, region eu-west-1"
    assert ADMIN.hide("aws://111122223333/eu-west-1") == "aws://********3333/eu-west-1"


def test_what_aws_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = boto3.client(
        "cloudformation", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stubbed:
        stubbed.add_client_error("describe_stacks", "AccessDenied", f"{ADMIN.caller} may not")
        said = r"^stage prod: .*sts::\*{8}3333:assumed-role/Admin/me may not"
        with pytest.raises(DeploymentFailed, match=said), plainly("stage prod"):
            client.describe_stacks()
    for code in ("ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"):
        with Stubber(client) as stubbed:
            stubbed.add_client_error("describe_stacks", code, "it is over")
            with pytest.raises(SettingsError, match=r"have ended: .*it is over; renew"), plainly("prod"):
                client.describe_stacks()
    with pytest.raises(SettingsError, match="renew them"), plainly("prod"):
        raise UnauthorizedSSOTokenError
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/no/such/file")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/no/such/file")
    nobody = connect({}, "us-east-1")
    with pytest.raises(SettingsError, match="credentials are missing"), plainly("stage prod"):
        nobody.account()


def test_a_process_is_given_the_very_credentials() -> None:
    given = {**GIVEN, "AWS_SESSION_TOKEN": "of an hour"}
    assert connect(given, "us-east-1").credentials() == given
    assert connect(GIVEN, "us-east-1").credentials() == {**GIVEN, "AWS_SESSION_TOKEN": ""}
