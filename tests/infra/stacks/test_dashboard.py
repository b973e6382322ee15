"""What dashboard and alarms look at is what processes write: a metric that nobody writes never rings."""

import json
import re
from collections.abc import Iterator

import pytest

from headrace.ops import metrics
from headrace.ops.emf import _camel
from lambdas.transform.report import report
from lambdas.transform.tally import Tally
from tests.infra.synthesis import Template, of_type, plain, synthesized

pytestmark = pytest.mark.xdist_group("cdk")

NAMESPACE = "headrace-prod"
PROCESSES = ("Stream", "Producer")  # the dimension that the job, and that a producer, adds to its metrics

Seen = tuple[str, frozenset[str]]
"""A metric's name, and the names of its dimensions."""


@pytest.fixture(scope="module")
def prod() -> Template:
    return synthesized("prod").templates["stream"]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> set[Seen]:
    """By the job, by producers, and by the transform."""
    report(Tally(), NAMESPACE)
    (told,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    found = {(metric["Name"], frozenset(told["Dimensions"][0])) for metric in told["Metrics"]}
    for declared in metrics.declared().values():
        (family,) = declared.describe()
        labels = {_camel(label) for label in declared._labelnames}
        found |= {(_camel(family.name), frozenset({*labels, process})) for process in PROCESSES}
    return found


def on_the_dashboard(template: Template) -> Iterator[Seen]:
    (dashboard,) = of_type(template, "AWS::CloudWatch::Dashboard").values()
    body = json.loads(plain(dashboard["DashboardBody"]))
    for widget in body["widgets"]:
        for first, *rest in widget["properties"].get("metrics", []):
            if isinstance(first, str):
                if first == NAMESPACE:
                    names = [one for one in rest if isinstance(one, str)]
                    yield names[0], frozenset(names[1::2])
            else:
                yield searched(first["expression"])


def searched(expression: str) -> Seen:
    found = re.fullmatch(r"SEARCH\('\{\"(.+)\",(.+)\} MetricName=\"(\w+)\"', '\w+', 300\)", expression)
    assert found is not None
    assert found[1] == NAMESPACE
    return found[3], frozenset(found[2].split(","))


def in_alarms(template: Template) -> Iterator[Seen]:
    for alarm in of_type(template, "AWS::CloudWatch::Alarm").values():
        for one in [
            alarm,
            *(part["MetricStat"]["Metric"] for part in alarm.get("Metrics", []) if "MetricStat" in part),
        ]:
            if one.get("Namespace") == NAMESPACE:
                yield one["MetricName"], frozenset(dimension["Name"] for dimension in one["Dimensions"])


def selected(template: Template) -> set[str]:
    """What alarms select by name alone."""
    return set(re.findall(rf'SELECT MAX\((\w+)\) FROM \\"{NAMESPACE}\\"', json.dumps(template)))


def test_the_dashboard_shows_what_is_written(prod: Template, written: set[Seen]) -> None:
    shown = set(on_the_dashboard(prod))
    assert shown - written == set()
    names = {name for name, _ in shown}
    assert {
        "MissingRecords",
        "WarehouseLagSeconds",
        "LateRecords",
        "RejectedShare",
        "SpoolAgeSeconds",
    } <= names


def test_alarms_watch_what_is_written(prod: Template, written: set[Seen]) -> None:
    assert set(in_alarms(prod)) - written == set()
    assert selected(prod) == {"SpoolAgeSeconds", "SpoolFull"}
    assert selected(prod) <= {name for name, _ in written}


def test_processes_are_told_the_namespace_that_is_looked_at(prod: Template) -> None:
    (function,) = of_type(prod, "AWS::Lambda::Function").values()
    assert function["Environment"]["Variables"]["HEADRACE_EMF_NAMESPACE"] == NAMESPACE


def test_every_stream_and_delivery_is_shown_and_every_alarm_of_the_stack(prod: Template) -> None:
    (dashboard,) = of_type(prod, "AWS::CloudWatch::Dashboard").values()
    body = plain(dashboard["DashboardBody"])
    for name in ("<Events>", "<Errors>", "<EventsDeliveryStream>", "<ErrorsDeliveryStream>"):
        assert f'"{name}"' in body
    for name in of_type(prod, "AWS::CloudWatch::Alarm"):
        assert f'"<{name[:-8]}>"' in body
