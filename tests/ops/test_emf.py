"""Documents are held against the rules of the format's specification, as its JSON schema states them."""

import io
import json
from typing import Any, NoReturn

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from headrace.ops import metrics
from headrace.ops.emf import EmfReporter
from tests.doubles.clock import START, ManualClock

UNITS = ("Seconds", "Bytes", "Count", "Bytes/Second", "Count/Second", "Percent", "None")


def _text(longest: int) -> dict[str, object]:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": longest,
        "pattern": r"^[\x20-\x7e]*\S[\x20-\x7e]*$",
    }


_METRIC = {
    "type": "object",
    "required": ["Name"],
    "properties": {"Name": _text(255), "Unit": {"enum": list(UNITS)}},
    "additionalProperties": False,
}
_DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "properties": {
        "Namespace": _text(255),
        "Dimensions": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "maxItems": 30, "uniqueItems": True, "items": _text(250)},
        },
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": _METRIC},
    },
    "additionalProperties": False,
}
conforms = fastjsonschema.compile(
    {
        "type": "object",
        "required": ["_aws"],
        "properties": {
            "_aws": {
                "type": "object",
                "required": ["Timestamp", "CloudWatchMetrics"],
                "properties": {
                    "Timestamp": {"type": "integer"},
                    "CloudWatchMetrics": {"type": "array", "items": _DIRECTIVE},
                },
                "additionalProperties": False,
            }
        },
    }
)


def no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


def check(line: str) -> dict[str, Any]:
    """One document, if it keeps every rule; its targets too, of which the schema does not speak."""
    assert len(line.encode()) <= 256 * 1024
    document: dict[str, Any] = json.loads(line, parse_constant=no_constant)
    conforms(document)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for name in (name for names in directive["Dimensions"] for name in names):
            assert isinstance(document[name], str)
            assert 1 <= len(document[name]) <= 1024
        for metric in directive["Metrics"]:
            value = document[metric["Name"]]
            if isinstance(value, dict):
                assert 1 <= len(value["Values"]) == len(value["Counts"]) <= 100
                assert all(count > 0 for count in value["Counts"])
                assert sum(value["Counts"]) == value["Count"]
            else:
                assert isinstance(value, int | float)
    return document


class Reports:
    """A registry of its own, and the documents that were written of it."""

    def __init__(self, seconds: float | None = 60.0) -> None:
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.out = io.StringIO()
        self.reporter = EmfReporter(
            self.clock,
            self.out,
            seconds=seconds,
            namespace="headrace",
            dimensions={"Producer": "web-7"},
            registry=self.registry,
        )

    def taken(self) -> list[dict[str, Any]]:
        lines = self.out.getvalue().splitlines()
        self.out.seek(0)
        self.out.truncate()
        return [check(line) for line in lines]

    def reported(self) -> dict[str, Any]:
        self.reporter.report()
        return {name: value for document in self.taken() for name, value in document.items()}


def test_without_an_interval_nothing_is_written_not_even_at_the_end() -> None:
    reports = Reports(seconds=None)
    Gauge("headrace_spool_bytes", "x", registry=reports.registry).set(4096)
    reports.clock.advance(1e9)
    reports.reporter.step()
    reports.reporter.report()
    assert reports.taken() == []


def test_a_document_names_its_metrics_units_and_dimensions() -> None:
    reports = Reports()
    Gauge("headrace_spool_bytes", "x", registry=reports.registry).set(4096)
    reports.reporter.report()
    assert reports.taken() == [
        {
            "_aws": {
                "Timestamp": int(START.timestamp() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": "headrace",
                        "Dimensions": [["Producer"]],
                        "Metrics": [{"Name": "SpoolBytes", "Unit": "Bytes"}],
                    }
                ],
            },
            "Producer": "web-7",
            "SpoolBytes": 4096,
        }
    ]


def test_a_counter_is_told_by_what_it_has_grown_by_and_only_once_it_has_moved() -> None:
    reports = Reports()
    counter = Counter("headrace_user_records_put", "x", registry=reports.registry)
    told = []
    for step in (0, 5, 0, 2):
        counter.inc(step)
        told.append(reports.reported().get("UserRecordsPut"))
    assert told == [None, 5, 0, 2]


def test_a_histogram_is_told_by_values_and_counts_since_the_report_before() -> None:
    reports = Reports()
    histogram = Histogram("headrace_request_seconds", "x", buckets=(0.1, 0.5, 1.0), registry=reports.registry)
    for seconds in (0.05, 0.2, 0.3, 7.0):
        histogram.observe(seconds)
    told = reports.reported()["RequestSeconds"]
    assert told == {
        "Values": [0.05, 0.3, 1.0],
        "Counts": [1, 2, 1],
        "Min": 0,
        "Max": 1.0,
        "Count": 4,
        "Sum": pytest.approx(7.55),
    }
    assert "RequestSeconds" not in reports.reported()
    histogram.observe(0.7)
    assert reports.reported()["RequestSeconds"]["Counts"] == [1]


def test_each_set_of_labels_is_a_document_with_its_dimensions() -> None:
    reports = Reports()
    errors = Counter("headrace_errors_by_code", "x", ["code"], registry=reports.registry)
    errors.labels(code="Throttled").inc(3)
    errors.labels(code="").inc()
    reports.reporter.report()
    told = {document["Code"]: document["ErrorsByCode"] for document in reports.taken()}
    assert told == {"Throttled": 3, "none": 1}


def test_more_metrics_than_a_document_may_hold_are_several_documents() -> None:
    reports = Reports()
    for n in range(250):
        Gauge(f"headrace_number_{n}", "x", registry=reports.registry).set(n)
    reports.reporter.report()
    documents = reports.taken()
    assert [len(each["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for each in documents] == [100, 100, 50]
    assert {f"Number{n}" for n in range(250)} <= {name for each in documents for name in each}


def test_what_is_no_number_and_what_is_not_ours_is_left_out() -> None:
    reports = Reports()
    Gauge("headrace_unknown", "x", registry=reports.registry).set(float("nan"))
    Gauge("headrace_endless", "x", registry=reports.registry).set(float("inf"))
    Gauge("process_open_files", "x", registry=reports.registry).set(3)
    reports.reporter.report()
    assert reports.taken() == []


def test_it_writes_when_it_is_time_whatever_the_time_of_day_does() -> None:
    reports = Reports(seconds=60)
    Gauge("headrace_spool_full", "x", registry=reports.registry)
    written = []
    for second in range(200):
        reports.reporter.step()
        written += [second] * len(reports.taken())
        reports.clock.advance(1)
        reports.clock.set(START)
    assert written == [60, 120, 180]


def test_what_could_not_be_written_is_in_the_next_report(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = Reports()
    counter = Counter("headrace_batches", "x", registry=reports.registry)
    counter.inc(4)

    def broken() -> NoReturn:
        raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(reports.out, "flush", broken)
        reports.reporter.report()
    reports.taken()
    counter.inc()
    assert reports.reported()["Batches"] == 5


def test_every_metric_that_headrace_declares_gives_valid_documents() -> None:
    reports = Reports()
    declared = list(metrics.declared().values())
    for metric in declared:
        labels = metric._labelnames
        copy = type(metric)(metric._name, metric._documentation, labels, registry=reports.registry)
        child: Any = copy.labels(*["some"] * len(labels)) if labels else copy
        child.observe(1) if isinstance(metric, Histogram) else child.inc()
    reports.reporter.report()
    told = {name for document in reports.taken() for name in document}
    assert {"".join(map(str.capitalize, metric._name.split("_")[1:])) for metric in declared} <= told


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["puts", "spool_bytes", "wait_seconds", "rate_bytes_per_second"]),
            st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=12),
            st.floats(0, 1e12),
        ),
        max_size=30,
    )
)
def test_whatever_is_observed_the_documents_are_valid_and_add_up(
    observed: list[tuple[str, str, float]],
) -> None:
    reports = Reports()
    counters = {
        name: Counter(f"headrace_{name}", "x", ["shard"], registry=reports.registry)
        for name in {name for name, _, _ in observed}
    }
    histogram = Histogram("headrace_took_seconds", "x", registry=reports.registry)
    told = taken = 0.0
    for name, shard, amount in observed:
        counters[name].labels(shard=shard).inc(amount)
        histogram.observe(amount)
        reports.reporter.report()
        for document in reports.taken():
            told += sum(v for k, v in document.items() if k != "_aws" and isinstance(v, int | float))
            taken += document.get("TookSeconds", {}).get("Count", 0)
    assert told == pytest.approx(sum(amount for _, _, amount in observed))
    assert taken == len(observed)
