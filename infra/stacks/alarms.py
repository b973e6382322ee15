"""How an alarm is made: its name is its page's in docs/operations.md, and it tells the stage's topic."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.stacks.key import USE
from infra.stacks.stage import Stage

MINUTE, FIVE_MINUTES = cdk.Duration.minutes(1), cdk.Duration.minutes(5)
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
NO_ALARM = cloudwatch.TreatMissingData.NOT_BREACHING


class Alarms(Construct):
    """Makes the alarms of one stack; mostly no data is no alarm, because what idles has none."""

    def __init__(self, scope: Construct, stage: Stage, topic: sns.ITopic) -> None:
        super().__init__(scope, "Alarms")
        self._stage, self.topic = stage, topic
        self.made: list[cloudwatch.Alarm] = []

    def of(self, scope: Construct) -> "Alarms":
        """The same for another stack, whose alarms are its own."""
        return Alarms(scope, self._stage, self.topic)

    def add(
        self,
        page: str,
        text: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        *,
        which: str = "",
        periods: int = 1,
        comparison: cloudwatch.ComparisonOperator = ABOVE,
        missing: cloudwatch.TreatMissingData = NO_ALARM,
    ) -> None:
        """One alarm, `headrace-<stage>-<page>`, or `headrace-<stage>-<page>.<which>`.

        Args:
            page: the heading of its page.
            text: what is wrong, as the mail says it.
            metric: of a period of its own; on the laptop one that is computed is left out.
            threshold: that it must not pass.
            which: which of several things it watches.
            periods: how many in a row.
            comparison: on which side of the threshold it is wrong.
            missing: what it means when there is no data.
        """
        if self._stage.local and isinstance(metric, cloudwatch.MathExpression):
            return  # the emulator computes nothing
        alarm = cloudwatch.Alarm(
            self,
            page + "".join(word[:1].upper() + word[1:] for word in which.replace(".", "_").split("_")),
            alarm_name=f"headrace-{self._stage.name}-{page}{which and '.'}{which}",
            alarm_description=f"{text} What to do: docs/operations.md, {page}.",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=comparison,
            treat_missing_data=missing,
        )
        tell = actions.SnsAction(self.topic)
        alarm.add_alarm_action(tell)
        alarm.add_ok_action(tell)
        self.made.append(alarm)


def declare_topic(scope: Construct, stage: Stage, key: kms.IKey) -> sns.Topic:
    """What all alarms of the stage tell, and who is mailed: whoever the stage file names, once they agree."""
    topic = sns.Topic(scope, "AlarmTopic", master_key=key, enforce_ssl=True)
    _let_alarms_tell(topic, key)
    if address := stage.file.stream.alarm_email:
        sns.Subscription(
            scope, "AlarmMail", topic=topic, protocol=sns.SubscriptionProtocol.EMAIL, endpoint=address
        )
    return topic


def _let_alarms_tell(topic: sns.Topic, key: kms.IKey) -> None:
    """Into a topic that has a policy, and past its key, come only those who are named there.

    Source: Amazon SNS Developer Guide, "Enable compatibility between event sources from AWS services and
    encrypted topics".
    """
    ours = {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(topic).account}}
    alarms = iam.ServicePrincipal("cloudwatch.amazonaws.com", conditions=ours)
    tell = iam.PolicyStatement(principals=[alarms], actions=["sns:Publish"], resources=[topic.topic_arn])
    topic.add_to_resource_policy(tell)
    key.add_to_resource_policy(iam.PolicyStatement(principals=[alarms], actions=USE, resources=["*"]))


def metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    statistic: str,
    period: cdk.Duration = MINUTE,
) -> cloudwatch.Metric:
    """A metric of one thing."""
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict(dimensions),
        statistic=statistic,
        period=period,
    )


def selected(
    namespace: str, aggregate: str, where: str = "", period: cdk.Duration = MINUTE
) -> cloudwatch.MathExpression:
    """`MAX(SpoolAgeSeconds)` and the like, over all that have the metric, whatever they are called.

    Source: Amazon CloudWatch User Guide, "Create alarms on Metrics Insights queries".
    """
    query = f'SELECT {aggregate} FROM "{namespace}"'  # noqa: S608  of metrics, by names of our own
    if where:
        query += f" WHERE {where}"
    return cloudwatch.MathExpression(expression=query, period=period, label=aggregate)
