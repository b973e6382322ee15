"""The alarms on the cluster: what EMR says of it by events, counted by the rules that match them."""

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

from infra.stacks.alarms import FIVE_MINUTES, Alarms, metric
from infra.stacks.log_groups import declare_log_group

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


def watch_cluster(
    scope: cdk.Stack, alarms: Alarms, key: kms.IKey, engine: str, ours: Mapping[str, list[Any]]
) -> None:
    """`ours`: what an event says of our cluster, step or run and of no other, as a pattern."""
    target = events.CfnRule.TargetProperty(arn=_declare_log(scope, key), id="Log")
    for page, (source, kind, detail, text) in _PATTERNS[engine].items():
        pattern = {"source": [source], "detail-type": [kind], "detail": {**detail, **ours}}
        rule = events.CfnRule(scope, f"{page}Rule", description=text, event_pattern=pattern, targets=[target])
        matched = metric("AWS/Events", "MatchedEvents", {"RuleName": rule.ref}, "Sum", FIVE_MINUTES)
        alarms.add(page, text, matched, 0)


def _declare_log(scope: cdk.Stack, key: kms.IKey) -> str:
    """What matched, whole, to read when an alarm rings; the ARN, as a rule's target has it."""
    called = f"/aws/events/{scope.stack_name}"  # EventBridge writes only to such
    group = declare_log_group(scope, "EventLog", key, called=called)
    may_write = {
        "Effect": "Allow",
        "Principal": {"Service": ["delivery.logs.amazonaws.com", "events.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": group.log_group_arn,
    }
    logs.CfnResourcePolicy(
        scope,
        "EventLogPolicy",
        policy_name=scope.stack_name,
        policy_document=scope.to_json_string({"Version": "2012-10-17", "Statement": [may_write]}),
    )
    return scope.format_arn(
        service="logs",
        resource="log-group",
        resource_name=group.log_group_name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
