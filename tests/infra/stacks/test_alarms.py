"""Every alarm of every stack, and its page in docs/operations.md."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stacks.stage import LOCAL
from tests.infra.synthesis import (
    OTHER,
    STAGES,
    Template,
    every,
    listed,
    of_type,
    plain,
    statements,
    synthesized,
)

pytestmark = pytest.mark.xdist_group("cdk")

OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"


def alarms() -> Iterator[tuple[str, str, Template]]:
    """(stage, part, properties) of every alarm."""
    for stage, part, template in every():
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values():
            yield stage, part, alarm


def test_every_alarm_tells_the_stages_topic_and_names_its_page() -> None:
    for stage, part, alarm in alarms():
        topic = "<AlarmTopic>" if part == "stream" else "<stream:AlarmTopic>"
        assert [plain(action) for action in alarm["AlarmActions"]] == [topic]
        assert alarm["OKActions"] == alarm["AlarmActions"]
        page = page_of(stage, alarm)
        assert alarm["AlarmDescription"].endswith(f". What to do: docs/operations.md, {page}.")


def test_every_alarm_has_a_page_and_every_page_an_alarm() -> None:
    text = OPERATIONS.read_text().split("\n## Alarms\n")[1].split("\n## ")[0]
    headings = re.findall(r"^### (\S+)$", text, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == {page_of(stage, alarm) for stage, _, alarm in alarms() if stage != LOCAL}


def test_every_page_says_what_the_alarm_means_and_what_to_do_and_leads_to_pages_that_are_there() -> None:
    text = OPERATIONS.read_text()
    _, *pages = re.split(r"^### (\S+)\n", text.split("\n## Alarms\n")[1], flags=re.MULTILINE)
    for heading, body in zip(pages[::2], pages[1::2], strict=True):
        assert re.fullmatch(r"\n- Means: .+\n- Do: .+\n+", body), heading
        for section in re.findall(r"\*([A-Z][^*]+)\*", body):
            assert f"\n### {section}\n" in text, (heading, section)


def test_alarms_are_let_into_their_topic_and_past_its_key() -> None:
    """A topic that has a policy lets in nobody whom it does not name, not even of its own account."""
    for stage in STAGES:
        template = synthesized(stage).templates["stream"]
        ours = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        told = {
            (kind, action)
            for kind, statement in statements(template)
            if statement["Effect"] == "Allow"
            and statement.get("Principal") == {"Service": "cloudwatch.amazonaws.com"}
            and statement["Condition"] == ours
            for action in listed(statement["Action"])
        }
        assert told == {
            ("AWS::SNS::TopicPolicy", "sns:Publish"),
            ("AWS::KMS::Key", "kms:Decrypt"),
            ("AWS::KMS::Key", "kms:GenerateDataKey"),
        }


def test_what_must_run_rings_too_when_nobody_counts_it() -> None:
    rings = {
        page_of(stage, alarm)
        for stage, _, alarm in alarms()
        if stage != LOCAL and alarm["TreatMissingData"] == "breaching"
    }
    assert rings == {"WarehouseLag", "ProducerDown", "ErrorDeskDown"}


def test_alarms_are_mailed_to_whom_the_stage_file_names() -> None:
    assert of_type(synthesized("prod").templates["stream"], "AWS::SNS::Subscription") == {}
    template = synthesized(OTHER.name).templates["stream"]
    (mail,) = of_type(template, "AWS::SNS::Subscription").values()
    assert (mail["Protocol"], mail["Endpoint"]) == ("email", "alarms@example.com")
    assert plain(mail["TopicArn"]) == "<AlarmTopic>"


def page_of(stage: str, alarm: Template) -> str:
    name = str(alarm["AlarmName"])
    assert name.startswith(f"headrace-{stage}-")
    return name.removeprefix(f"headrace-{stage}-").partition(".")[0]
