"""The end of the toy stage, on the emulator that it was deployed to."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from cli.exit_codes import INTERRUPTED
from headrace.errors import DeploymentFailed
from infra.deployment.bootstrap import STACK as BOOTSTRAP
from infra.deployment.destruction import Destruction
from infra.deployment.emptying import empty
from infra.deployment.stacks import Stacks
from tests.cli.toy_operator import Operator, client
from tests.infra.deployment import toy

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stages")]


@pytest.fixture
def as_strict_as_aws(monkeypatch: pytest.MonkeyPatch, aws: Mapping[str, str]) -> None:
    """Stacks are not deleted while a bucket of theirs that is to go holds anything; the emulator would."""
    delete = Stacks.delete

    def strict(self: Stacks, name: str) -> None:
        s3, template = client(aws, "s3"), self.template(name)["Resources"]
        for one in self.resources(name):
            goes = template[one.logical].get("DeletionPolicy", "Delete") == "Delete"
            if one.type == "AWS::S3::Bucket" and goes:
                held = s3.list_object_versions(Bucket=one.physical)
                if "Versions" in held or "DeleteMarkers" in held:
                    raise DeploymentFailed(f"{one.logical}: the bucket you tried to delete is not empty")
        delete(self, name)

    monkeypatch.setattr(Stacks, "delete", strict)


@pytest.fixture
def bootstrapped(operator: Operator) -> Iterator[None]:
    """The CDK's bootstrap stack is there: its own, or a stand-in for as long as the test."""
    missing = not operator.status(BOOTSTRAP)
    if missing:
        operator.makes(BOOTSTRAP, {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    yield
    if missing:
        client(operator.aws, "cloudformation").delete_stack(StackName=BOOTSTRAP)


@pytest.mark.usefixtures("as_strict_as_aws", "bootstrapped")
def test_buckets_are_emptied_of_every_version_before_their_stack_goes(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = client(deployed.aws, "s3")
    for key in ("one", "two", "two"):
        deployed.put("toy-archive", key)
    s3.delete_object(Bucket="toy-archive", Key="one")
    deployed.put("toy-staging")
    with monkeypatch.context() as unemptied:
        unemptied.setattr("infra.deployment.destruction.empty", lambda *_: 0)
        refused = deployed.types("destroy", answers="toy\n")
    assert refused.code == 1
    assert "is not empty" in refused.err
    assert deployed.status() == "CREATE_COMPLETE"

    gone = deployed.types("destroy", answers="toy\n")
    assert gone.code == 0, gone.err
    assert "s3://toy-archive: emptied of 4 versions" in gone.err
    assert deployed.status() == ""
    assert not {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} & {"toy-archive", "toy-staging"}
    assert "waiting for its deletion" in gone.out
    assert "CDKToolkit" in gone.out
    assert deployed.types("destroy").err.endswith("nothing of stage toy is deployed here\n")


@pytest.mark.usefixtures("as_strict_as_aws")
def test_a_bucket_that_is_written_to_meanwhile_is_emptied_again(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict, writes = Stacks.delete, iter([True])

    def written_to(self: Stacks, name: str) -> None:
        if next(writes, False):
            deployed.put("toy-archive", "late")
        strict(self, name)

    monkeypatch.setattr(Stacks, "delete", written_to)
    answer = deployed.types("destroy", answers="toy\n")
    assert answer.code == 0
    assert "trying again" in answer.err


def test_what_s3_does_not_delete_at_once_is_tried_again(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = iter([True])

    def at_second(s3: Any, bucket: str, say: Callable[[str], None]) -> int:
        if next(fails, False):
            raise DeploymentFailed(f"s3://{bucket}/key is not deleted: slow down")
        return empty(s3, bucket, say)

    monkeypatch.setattr("infra.deployment.destruction.empty", at_second)
    answer = deployed.types("destroy", answers="toy\n")
    assert (answer.code, "slow down; trying again" in answer.err) == (0, True), answer.err


def test_data_stays_unless_the_stages_name_is_typed_and_its_file_agrees(deployed: Operator) -> None:
    deployed.put("toy-archive")
    assert deployed.types("destroy", answers="yes\n").code == INTERRUPTED
    assert "does not answer for data" in deployed.types("destroy", "--yes").err
    deployed.files(toy.KEPT_FILE)
    assert "keep_data = true" in deployed.types("destroy", answers="toy\n").err
    assert deployed.status() == "CREATE_COMPLETE"


@pytest.mark.usefixtures("as_strict_as_aws", "bootstrapped")
def test_what_is_kept_outlives_the_stage_and_is_listed(operator: Operator) -> None:
    operator.files(toy.KEPT_FILE)
    operator.declare(keep=True)
    operator.make()
    operator.put("toy-archive")
    operator.put("toy-staging")
    answer = operator.types("destroy", answers="y\n")
    assert answer.code == 0, answer.err
    told = [line.split() for line in answer.out.partition("what is left")[2].splitlines()]
    left = {(words[2], words[0]) for words in told if len(words) > 2 and words[0] in ("kept", "there")}
    assert left == {
        ("AWS::Kinesis::Stream", "kept"),
        ("AWS::S3::Bucket", "kept"),
        ("AWS::KMS::Key", "kept"),
        ("the", "there"),  # bootstrap stack
    }
    held = client(operator.aws, "s3").list_objects_v2(Bucket="toy-archive")
    assert held["KeyCount"] == 1


def test_an_end_that_is_cut_off_is_finished_and_accounted_for_by_the_next(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("cli.destroy.look", cut_off)  # the stack is gone, and nobody has looked
        assert deployed.types("destroy", answers="toy\n").code == INTERRUPTED
    assert deployed.status() == ""
    answer = deployed.types("destroy", answers="toy\n")
    assert answer.code == 0
    assert "waiting for its deletion" in answer.out


def test_what_is_left_and_should_not_be_fails_the_end(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = Stacks.delete

    def forgetful(self: Stacks, name: str) -> None:
        delete(self, name)
        client(deployed.aws, "logs").create_log_group(logGroupName="toy-log")

    monkeypatch.setattr(Stacks, "delete", forgetful)
    answer = deployed.types("destroy", answers="toy\n")
    assert answer.code == 1
    assert "toy-log (AWS::Logs::LogGroup) is there, and should be gone" in answer.err
    client(deployed.aws, "logs").delete_log_group(logGroupName="toy-log")


def test_a_stack_that_the_file_no_longer_asks_for_is_told_and_can_be_destroyed_alone(
    deployed: Operator,
) -> None:
    other = "headrace-toy-producers"
    deployed.makes(other, {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    assert f"{other} is deployed, and the stage's file does not ask for it" in deployed.types("diff").err
    assert f"{other}x is not deployed here" in deployed.types("destroy", "--stack", f"{other}x").err
    answer = deployed.types("destroy", "--stack", other, "--yes")
    assert (answer.code, deployed.status(other), deployed.status()) == (0, "", "CREATE_COMPLETE"), answer.err


def test_a_stack_that_another_one_needs_stays_with_its_data(deployed: Operator) -> None:
    deployed.put("toy-archive")
    imported = {"DisplayName": {"Fn::ImportValue": f"{toy.STACK}:Events"}}
    other = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": imported}}}
    deployed.makes("headrace-toy-producers", other)
    refused = deployed.types("destroy", "--stack", toy.STACK, answers="toy\n")
    assert refused.code == 1
    assert f"headrace-toy-producers needs {toy.STACK}: destroy headrace-toy-producers first" in refused.err
    assert client(deployed.aws, "s3").list_objects_v2(Bucket="toy-archive")["KeyCount"] == 1
    assert deployed.types("destroy", answers="toy\n").code == 0


def test_one_stack_is_destroyed_while_the_end_of_others_is_still_to_be_finished(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "headrace-toy-producers"
    deployed.makes(other, {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    destroy = Destruction.destroy
    with monkeypatch.context() as patched:
        patched.setattr(
            Destruction, "destroy", lambda self, name, held: name == other or destroy(self, name, held)
        )
        patched.setattr("cli.destroy.look", cut_off)
        assert deployed.types("destroy", answers="toy\n").code == INTERRUPTED
    assert (deployed.status(), deployed.status(other)) == ("", "CREATE_COMPLETE")
    alone = deployed.types("destroy", "--stack", other, "--yes")
    assert (alone.code, deployed.status(other), toy.STACK in alone.out) == (0, "", False), alone.err
    answer = deployed.types("destroy", answers="toy\n")
    assert (answer.code, "waiting for its deletion" in answer.out) == (0, True), answer.err


@pytest.mark.parametrize("begun", ["looked at", "failed"])
def test_a_stack_that_holds_nothing_goes_too(operator: Operator, begun: str) -> None:
    stacks = client(operator.aws, "cloudformation")
    if begun == "looked at":
        body = json.dumps(toy.template())
        stacks.create_change_set(
            StackName=toy.STACK, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=body
        )
    else:
        metrics = [{"Id": "one", "Expression": "1 + 1"}]
        alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": metrics}}
        body = json.dumps({"Resources": {"Broken": alarm}})
        stacks.create_stack(StackName=toy.STACK, TemplateBody=body)
    assert operator.status() in ("REVIEW_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE")
    answer = operator.types("destroy", "--yes")
    assert (answer.code, operator.status()) == (0, ""), answer.err


def test_what_is_still_at_work_is_waited_for(deployed: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    status, seen = Stacks.status, iter(["UPDATE_IN_PROGRESS"] * 2)
    monkeypatch.setattr(Stacks, "status", lambda self, name: next(seen, "") or status(self, name))
    answer = deployed.types("destroy", answers="toy\n")
    assert answer.code == 0
    assert f"{toy.STACK}: UPDATE_IN_PROGRESS, waiting for CloudFormation" in answer.err
