"""One emulator for all: the CDK's command line bootstraps it and deploys to it."""

import re
import signal
import subprocess
from typing import ClassVar

import pytest

from cli.exit_codes import INTERRUPTED
from infra.deployment.aws import Aws
from infra.deployment.deployment import Deployment
from tests.cli.toy_operator import Operator, client
from tests.infra.deployment import toy

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stages")]


def killed_at(process: "subprocess.Popen[str]", words: str, number: signal.Signals) -> str:
    """What it had said until then."""
    said = ""
    assert process.stderr
    for line in process.stderr:
        said += line
        if words in line:
            process.send_signal(number)
            break
    said += process.stderr.read()
    process.wait(60)
    process.stderr.close()
    assert words in said
    return said


def test_a_deployment_that_is_cut_off_at_any_point_is_finished_by_the_next(operator: Operator) -> None:
    cut_off: list[tuple[str, signal.Signals]] = [
        ("CREATE_IN_PROGRESS", signal.SIGKILL),  # in the midst of the bootstrap
        ("synthesizing", signal.SIGINT),
        (f"{toy.STACK}: creating CloudFormation changeset", signal.SIGKILL),
        ("Events", signal.SIGKILL),  # in the midst of the stack
    ]
    for words, number in cut_off:
        killed_at(operator.begins("deploy", "--yes"), words, number)
    answer = operator.types("deploy", "--yes")
    assert (answer.code, operator.status()) == (0, "CREATE_COMPLETE"), answer.err
    assert operator.status("CDKToolkit") == "CREATE_COMPLETE"
    assert operator.types("diff").code == 0


def test_nothing_is_deployed_before_the_operator_has_agreed_and_a_failed_stack_is_made_anew(
    operator: Operator,
) -> None:
    broken = toy.template()
    broken["Resources"]["Broken"] = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"Metrics": [{"Id": "one", "Expression": "1 + 1"}]},
    }
    operator.assembly = toy.write(operator.folder / "assembly", broken)
    refused = operator.types("deploy", answers="n\n" * 2)
    assert refused.code == INTERRUPTED
    assert operator.status() == ""
    agreed = operator.types("deploy", answers="y\n" * 2)
    assert agreed.code == 1
    assert "8 made" in agreed.out
    assert "root in account ********0000, region us-east-1" in agreed.err
    assert "Broken" in agreed.err
    operator.declare()
    shown = operator.types("diff")
    assert (shown.code, "7 made" in shown.out) == (1, True)
    assert operator.types("deploy", answers="n\n").code == INTERRUPTED
    assert operator.status() == "ROLLBACK_COMPLETE", "nothing is removed before the operator has agreed"
    assert operator.types("deploy", "--yes").code == 0
    assert operator.status() in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def test_images_that_nothing_here_can_build_are_told_before_anything_is_done(operator: Operator) -> None:
    operator.assembly = toy.write(operator.folder / "assembly", toy.template(), {"image": {}})
    operator.aws = {**operator.aws, "CDK_DOCKER": "no-such-program"}
    refused = operator.types("deploy", "--yes")
    assert refused.code == 1
    assert "are built by 'no-such-program', which is not installed here" in refused.err
    assert operator.status() == ""


def test_a_difference_is_shown_and_an_update_is_made_in_place(deployed: Operator) -> None:
    kinesis = client(deployed.aws, "kinesis")
    kinesis.put_record(StreamName="toy-events", Data=b"stays", PartitionKey="k")
    deployed.declare(days=14, alarm=False)
    shown = deployed.types("diff")
    assert shown.code == 1
    assert re.search(r"(changed|may be replaced) +Log ", shown.out)
    assert re.search(r"destroyed +Topic ", shown.out)
    assert "1 destroyed" in shown.out
    stacks = client(deployed.aws, "cloudformation")
    assert stacks.list_change_sets(StackName=toy.STACK)["Summaries"] == []

    assert deployed.types("deploy", "--yes").code == 0
    (log,) = client(deployed.aws, "logs").describe_log_groups(logGroupNamePrefix="toy-log")["logGroups"]
    assert log["retentionInDays"] == 14
    shard = kinesis.list_shards(StreamName="toy-events")["Shards"][0]["ShardId"]
    at = kinesis.get_shard_iterator(StreamName="toy-events", ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    assert [one["Data"] for one in kinesis.get_records(ShardIterator=at)["Records"]] == [b"stays"]
    assert deployed.types("diff").code == 0


def test_a_data_store_that_would_be_replaced_is_asked_for_by_name(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought_up: list[Deployment] = []
    monkeypatch.setattr(Deployment, "bring_up", lambda self, _: brought_up.append(self))
    deployed.declare(name="toy-other")
    refused = deployed.types("deploy", "--yes")
    assert refused.code == 1
    assert f"{toy.STACK}: Events (AWS::Kinesis::Stream): " in refused.err
    assert "--yes does not answer for data" in refused.err
    assert deployed.types("deploy", answers="y\n").code == INTERRUPTED
    assert not brought_up
    assert deployed.types("deploy", answers="toy\n").code == 0
    assert len(brought_up) == 1


class Faltering(Aws):
    """AWS as a target whose schema, then whose job, is cut off the first time."""

    calls: ClassVar[list[str]] = []

    def apply_schema(self) -> None:
        self._once("schema")

    def run_job(self) -> None:
        self._once("job")

    def _once(self, name: str) -> None:
        self.calls.append(name)
        if self.calls.count(name) == 1:
            raise KeyboardInterrupt


def test_a_schema_or_a_job_that_was_cut_off_is_done_by_the_next_run(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.deployment.aws.Aws", Faltering)
    assert [deployed.types("deploy", "--yes").code for _ in range(3)] == [INTERRUPTED, INTERRUPTED, 0]
    assert Faltering.calls == ["schema", "schema", "job", "schema", "job"]


def test_a_smoke_test_finds_the_stage_by_what_it_has_published(operator: Operator) -> None:
    assert "stage toy is not deployed in us-east-1" in operator.types("smoke").err
    operator.make()
    answer = operator.types("smoke")
    assert (answer.code, "this stage has no warehouse" in answer.err) == (2, True)
