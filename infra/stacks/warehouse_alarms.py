"""The alarms on the warehouse: statements that fail or wait, a day's use, and no room to grow."""

import aws_cdk as cdk

from infra.stacks.alarms import FIVE_MINUTES, Alarms, metric, selected
from infra.stacks.stage_file import Warehouse

_NAMESPACE = "AWS/Redshift-Serverless"
_FAILED, _QUEUED = 20, 10
_USED_SHARE = 0.8


def watch_warehouse(alarms: Alarms, wanted: Warehouse, workgroup: str) -> None:
    """Say what is wrong before writers stop for it."""
    dimensions, here = {"Workgroup": workgroup}, f"Workgroup = '{workgroup}'"
    failed = selected(_NAMESPACE, "SUM(QueriesFailed)", here, FIVE_MINUTES)
    text = "Many statements of the warehouse have failed within five minutes."
    alarms.add("WarehouseQueriesFail", text, failed, _FAILED)
    queued = selected(_NAMESPACE, "MAX(QueriesQueued)", here, FIVE_MINUTES)
    text = "Statements have waited for room in the warehouse for a quarter of an hour."
    alarms.add("WarehouseQueriesWait", text, queued, _QUEUED, periods=3)
    limit = wanted.daily_rpu_hours
    text = (
        f"Four fifths of the {limit} RPU-hours a day are used; at the limit the warehouse turns itself off."
    )
    used = metric(_NAMESPACE, "ComputeSeconds", dimensions, "Sum", cdk.Duration.days(1))
    alarms.add("WarehouseUsage", text, used, limit * 3600 * _USED_SHARE)
    text = "The warehouse has been as large as it may grow for half an hour."
    capacity = metric(_NAMESPACE, "ComputeCapacity", dimensions, "Minimum", FIVE_MINUTES)
    alarms.add("WarehouseCapacity", text, capacity, wanted.max_rpu - 1, periods=6)
