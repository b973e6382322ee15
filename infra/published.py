"""What a deployed stage publishes in the SSM Parameter Store, below `/headrace/<stage>/`; no secret is in it.

The operator's commands find the service by these names, and tasks and steps are given them as settings.
"""

from enum import StrEnum
from typing import Self


class Published(StrEnum):
    """A published name; `meaning` is its line in the documented list, `stack` the part that publishes it."""

    stack: str
    meaning: str

    def __new__(cls, name: str, stack: str, meaning: str) -> Self:
        """A member that is its name, with its description beside it."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.stack, member.meaning = stack, meaning
        return member

    EVENTS_STREAM = "events-stream", "stream", "the name of the stream `events`"
    ERRORS_STREAM = "errors-stream", "stream", "the name of the stream `errors`"
    ARCHIVE_BUCKET = "archive-bucket", "stream", "the bucket of the archive"
    ALARM_TOPIC = "alarm-topic", "stream", "the ARN of the topic that alarms tell"
    WAREHOUSE_URL = "warehouse-url", "warehouse", "HEADRACE_WAREHOUSE_URL inside the network (redshift://)"
    WAREHOUSE_API_URL = "warehouse-api-url", "warehouse", "the same for the operator (redshift-data://)"
    WAREHOUSE_NAMESPACE = (
        "warehouse-namespace",
        "warehouse",
        "its namespace, which knows the administrator's secret",
    )
    WAREHOUSE_WRITERS = "warehouse-writers", "warehouse", "database users that write, separated by commas"
    WAREHOUSE_READERS = "warehouse-readers", "warehouse", "database users that only read, the same way"
    STAGING_BUCKET = "staging-bucket", "warehouse", "the bucket that COPY loads from"
    JOB_ARCHIVE = "job-archive", "cluster", "the S3 URL of the stream job's archive"
    JOB_CHECKPOINT = "job-checkpoint", "cluster", "the S3 URL below which the stream job's checkpoints lie"
    CLUSTER_REQUEST = "cluster-request", "cluster", "JSON: roles, subnets, groups and buckets of the cluster"
    ERROR_DESK_SERVICE = "error-desk-service", "error-desk", "cluster and service of the error desk, `a/b`"
    PRODUCER_SERVICES = "producer-services", "producers", "cluster and services of the producers, `a/b,a/c`"
