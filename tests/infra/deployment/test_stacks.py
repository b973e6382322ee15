"""Stacks that earlier runs left, as CloudFormation tells of them."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from headrace.errors import DeploymentFailed
from infra.deployment.cloud import Cloud
from infra.deployment.stacks import Stacks
from tests.doubles.clock import ManualClock

NAME = "headrace-prod-stream"
WHEN = "2026-11-21T12:00:00Z"


class Scripted:
    """A region whose stack is in one state after the other; '' is no stack."""

    def __init__(self) -> None:
        session: Any = boto3.session.Session("a", "b", region_name="us-east-1")
        self.client = session.client("cloudformation")
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.said: list[str] = []
        region = self

        class Region(Cloud):
            def client(self, service: str) -> Any:
                assert service == "cloudformation"
                return region.client

        self.stacks = Stacks(Region({}, session, None), ManualClock(), self.said.append)

    def shows(self, *states: str) -> None:
        for state in states:
            if state:
                stack = {"StackName": NAME, "StackId": "id", "CreationTime": WHEN, "StackStatus": state}
                self.stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": NAME})
            else:
                self.stub.add_client_error(
                    "describe_stacks", "ValidationError", f"Stack with id {NAME} does not exist"
                )

    def tells(self, events: list[dict[str, str]], **more: str) -> None:
        self.stub.add_response("describe_stack_events", {"StackEvents": events, **more})

    def takes(self, operation: str) -> None:
        self.stub.add_response(operation, {}, {"StackName": NAME})


def event(name: str, status: str, reason: str = "", physical: str = "") -> dict[str, str]:
    told = {"StackId": "id", "EventId": "e", "StackName": NAME, "Timestamp": WHEN}
    return told | {
        "LogicalResourceId": name,
        "PhysicalResourceId": physical,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


@pytest.fixture
def region() -> Scripted:
    return Scripted()


def test_what_is_under_way_is_waited_for(region: Scripted) -> None:
    region.shows("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    region.stacks.mend(NAME)
    region.stub.assert_no_pending_responses()
    assert region.said == [f"{NAME}: UPDATE_IN_PROGRESS, waiting for CloudFormation"]


@pytest.mark.parametrize("state", ["", "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_what_can_be_updated_is_left_alone(region: Scripted, state: str) -> None:
    region.shows(state, state)
    region.stacks.mend(NAME)
    region.stacks.clear(NAME)
    region.stub.assert_no_pending_responses()


@pytest.mark.parametrize("state", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED"])
def test_what_was_never_made_whole_is_removed_once_it_is_to_be_made_anew(
    region: Scripted, state: str
) -> None:
    region.shows(state)
    region.stacks.mend(NAME)
    region.shows(state, state)
    region.takes("delete_stack")
    region.shows("DELETE_IN_PROGRESS", "")
    region.stacks.clear(NAME)
    region.stub.assert_no_pending_responses()


def test_a_rollback_that_failed_is_gone_on_with(region: Scripted) -> None:
    region.shows("UPDATE_ROLLBACK_FAILED")
    region.takes("continue_update_rollback")
    region.shows("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE")
    region.stacks.mend(NAME)
    region.stub.assert_no_pending_responses()


def test_a_rollback_that_fails_again_is_told_with_the_reasons_of_this_time(region: Scripted) -> None:
    region.shows("UPDATE_ROLLBACK_FAILED")
    region.takes("continue_update_rollback")
    region.shows("UPDATE_ROLLBACK_FAILED")
    first = [event("Queue", "UPDATE_FAILED", "it is gone")]
    begun = [
        event(NAME, "UPDATE_ROLLBACK_IN_PROGRESS", physical="id"),
        event("Queue", "UPDATE_FAILED", "old"),
    ]
    region.tells(first, NextToken="more")
    region.tells(begun)
    with pytest.raises(DeploymentFailed, match="cannot be rolled back: Queue: it is gone: mend that"):
        region.stacks.mend(NAME)
    region.stub.assert_no_pending_responses()


def test_what_is_half_destroyed_is_not_deployed_over(region: Scripted) -> None:
    region.shows("DELETE_FAILED")
    region.tells([event("Archive", "DELETE_FAILED", "not empty")])
    with pytest.raises(DeploymentFailed, match="finish `headrace destroy` first"):
        region.stacks.mend(NAME)


def test_a_stack_that_does_not_go_is_told_with_its_reasons(region: Scripted) -> None:
    region.shows("CREATE_COMPLETE")
    region.takes("delete_stack")
    region.shows("DELETE_FAILED")
    region.tells([event("Archive", "DELETE_FAILED", "the bucket is not empty")])
    with pytest.raises(DeploymentFailed, match="was not deleted: Archive: the bucket is not empty"):
        region.stacks.delete(NAME)
