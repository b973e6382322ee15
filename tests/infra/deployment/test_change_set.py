"""Change sets as CloudFormation answers them, its requests held against its model."""

import json
import re
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from headrace.errors import DeploymentFailed
from infra.deployment import change_set
from infra.deployment.assembly import Declared
from infra.deployment.changes import Change, Fate
from infra.deployment.cloud import Account, Cloud
from infra.deployment.stacks import Stacks
from tests.doubles.clock import ManualClock

NAME, TOPIC = "headrace-prod-network", "AWS::SNS::Topic"
PLACE = {"StackName": NAME, "ChangeSetName": ANY}
ACCOUNT = Account("111122223333", "arn:aws:iam::111122223333:user/me", "eu-west-1")


class Region:
    """CloudFormation and S3, scripted; the stack is there with one parameter."""

    def __init__(self) -> None:
        session: Any = boto3.session.Session("a", "b", region_name="eu-west-1")
        clients = {name: session.client(name) for name in ("cloudformation", "s3")}
        self.stub, self.s3 = (Stubber(client) for client in clients.values())
        self.stub.activate()
        self.s3.activate()

        class Scripted(Cloud):
            def client(self, service: str) -> Any:
                return clients[service]

        self.stacks = Stacks(Scripted({}, session, None), ManualClock(), print)

    def has(self, status: str = "CREATE_COMPLETE") -> None:
        stack: dict[str, Any] = {"StackName": NAME, "CreationTime": "2026-11-21T12:00:00Z"}
        stack |= {"StackStatus": status, "Parameters": [{"ParameterKey": "Old", "ParameterValue": "1"}]}
        self.stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": NAME})

    def makes_change_set(self, **body: Any) -> None:
        """It is there, is asked for its parameters, and one is made."""
        self.has()
        self.has()
        given = [
            {"ParameterKey": "Old", "UsePreviousValue": True},
            {"ParameterKey": "Given", "ParameterValue": "2"},
        ]
        expected = {**PLACE, "ChangeSetType": "UPDATE", "Capabilities": ANY, "Parameters": given} | body
        self.stub.add_response("create_change_set", {}, expected)

    def answers(self, status: str, reason: str = "", **more: Any) -> None:
        self.stub.add_response(
            "describe_change_set", {"Status": status, "StatusReason": reason, "Changes": []} | more
        )

    def asked_for(self, parameter: str) -> list[str]:
        """What each change set that is made says under the parameter."""
        said: list[str] = []
        self.stacks.cloud.client("cloudformation").meta.events.register(
            "provide-client-params.cloudformation.CreateChangeSet",
            lambda params, **_: said.append(params[parameter]),
        )
        return said

    def removes_change_set(self) -> None:
        self.stub.add_response("delete_change_set", {}, PLACE)


@pytest.fixture
def region() -> Region:
    return Region()


def view(region: Region, template: dict[str, Any]) -> list[Change]:
    return change_set.view(region.stacks, ACCOUNT, Declared(NAME, template), {"Given": "2"})


def template(*names: str, comment: str = "") -> dict[str, Any]:
    parameters = {name: {"Type": "String"} for name in ("Old", "Given", "New")}
    resources = {name: {"Type": TOPIC} for name in names}
    return {"Description": comment, "Parameters": parameters, "Resources": resources}


def told(name: str) -> dict[str, Any]:
    change = {"Action": "Add", "LogicalResourceId": name, "ResourceType": TOPIC}
    return {"Type": "Resource", "ResourceChange": change}


def test_every_page_of_changes_is_read_and_the_change_set_is_removed(region: Region) -> None:
    region.makes_change_set(TemplateBody=ANY)
    region.answers("CREATE_IN_PROGRESS")
    region.answers("CREATE_COMPLETE", Changes=[told("One")], NextToken="more")
    region.answers("CREATE_COMPLETE", Changes=[told("Two")])
    region.removes_change_set()
    assert view(region, template("One", "Two")) == [
        Change(NAME, "One", TOPIC, Fate.MADE),
        Change(NAME, "Two", TOPIC, Fate.MADE),
    ]
    region.stub.assert_no_pending_responses()


def test_no_change_is_a_change_set_that_failed(region: Region) -> None:
    region.makes_change_set(TemplateBody=ANY)
    region.answers(
        "FAILED", "The submitted information didn't contain changes. Submit different information."
    )
    region.removes_change_set()
    assert view(region, template("One")) == []


def test_what_cloudformation_refuses_is_told(region: Region) -> None:
    region.makes_change_set(TemplateBody=ANY)
    region.answers("FAILED", "Transform is not allowed")
    region.removes_change_set()
    with pytest.raises(DeploymentFailed, match=f"the change of stack {NAME}: Transform is not allowed"):
        view(region, template("One"))


def test_where_another_stack_does_not_export_yet_the_templates_are_compared(region: Region) -> None:
    region.makes_change_set(TemplateBody=ANY)
    region.answers("FAILED", "No export named headrace-prod-stream:Key found.")
    region.removes_change_set()
    deployed = json.dumps({"Resources": {"Gone": {"Type": TOPIC}}})
    region.has()
    region.stub.add_response("get_template", {"TemplateBody": deployed})
    assert [(change.resource, change.fate) for change in view(region, template("One"))] == [
        ("One", Fate.MADE),
        ("Gone", Fate.DESTROYED),
    ]


def test_a_long_template_goes_by_the_bootstrap_stacks_bucket(region: Region) -> None:
    bucket = "cdk-hnb659fds-assets-111122223333-eu-west-1"
    region.s3.add_response("put_object", {}, {"Bucket": bucket, "Key": ANY, "Body": ANY})
    urls = region.asked_for("TemplateURL")
    region.makes_change_set(TemplateURL=ANY)
    region.answers("CREATE_COMPLETE", Changes=[told("One")])
    region.removes_change_set()
    assert len(view(region, template("One", comment="x" * 60_000))) == 1
    region.s3.assert_no_pending_responses()
    assert urls[0].startswith(f"https://s3.eu-west-1.amazonaws.com/{bucket}/headrace-view/")


@pytest.mark.parametrize("status", ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "CREATE_FAILED"])
def test_a_stack_that_is_only_looked_at_or_whose_making_failed_is_made_whole(
    region: Region, status: str
) -> None:
    region.has(status)
    assert [change.fate for change in view(region, template("One"))] == [Fate.MADE]
    region.stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("status", "remedy"),
    [("UPDATE_ROLLBACK_FAILED", "`headrace deploy` first rolls"), ("DELETE_FAILED", "`headrace destroy`")],
)
def test_of_a_stack_that_is_stuck_it_is_told_what_comes_first(
    region: Region, status: str, remedy: str
) -> None:
    region.has("UPDATE_IN_PROGRESS")
    region.has(status)
    with pytest.raises(DeploymentFailed, match=f"stack {NAME} is {status}: {remedy}"):
        view(region, template("One"))


def test_two_operators_who_ask_at_once_do_not_see_each_other(region: Region) -> None:
    names = region.asked_for("ChangeSetName")
    for _ in range(2):
        region.makes_change_set(TemplateBody=ANY)
        region.answers("CREATE_COMPLETE")
        region.removes_change_set()
        view(region, template("One"))
    assert len(set(names)) == 2
    assert all(re.fullmatch("[a-zA-Z][-a-zA-Z0-9]{,127}", name) for name in names)
