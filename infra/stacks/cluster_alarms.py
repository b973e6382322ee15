"""The alarms on the cluster: what EMR says of it by events, counted by the rules that match them."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_events as events
from constructs import Construct

from infra.stacks.alarms import FIVE_MINUTES, Alarms, metric

_PATTERNS = {
    "ec2": {
        "ClusterFails": (
            "aws.emr",
            "EMR Cluster State Change",
            {"state": ["TERMINATED_WITH_ERRORS"]},
            "The stream job's cluster has ended with errors.",
        ),
        "JobFails": (
            "aws.emr",
            "EMR Step Status Change",
            {"state": ["FAILED"]},
            "The stream job has failed on its cluster as often as it may, and is not started again.",
        ),
    },
    "serverless": {
        "JobFails": (
            "aws.emr-serverless",
            "EMR Serverless Job Run State Change",
            {"state": ["FAILED"]},
            "The stream job has failed as often as it may within an hour, and is not started again.",
        )
    },
}


def watch_cluster(scope: Construct, alarms: Alarms, engine: str, ours: Mapping[str, list[Any]]) -> None:
    """`ours`: what an event says of our cluster, step or run and of no other, as a pattern."""
    for page, (source, kind, detail, text) in _PATTERNS[engine].items():
        rule = events.Rule(
            scope,
            f"{page}Rule",
            description=text,
            event_pattern=events.EventPattern(source=[source], detail_type=[kind], detail={**detail, **ours}),
        )
        matched = metric("AWS/Events", "MatchedEvents", {"RuleName": rule.rule_name}, "Sum", FIVE_MINUTES)
        alarms.add(page, text, matched, 0)
