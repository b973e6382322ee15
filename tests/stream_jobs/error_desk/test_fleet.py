"""Two desks of one fleet, on the tables that the stacks declare, with KCL's real daemon."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from headrace.schemas.codec import RejectCode
from infra.lease_tables import LEASE_TABLES, ON_TABLES, LeaseTable
from tests.producers.processes import wait_for
from tests.stream_jobs.error_desk.recorder import Recorder
from tests.stream_jobs.error_desk.rejects import rejected
from tests.stream_jobs.error_desk.running import RunningDesk, shards_of

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("error_desk")]

RECORDS = 600
IN_A_TRANSACTION = {"TransactWriteItems": "the items' own actions are what is allowed"}


def make(client: Any, application: str, table: LeaseTable) -> None:
    """A table as the stack declares it."""
    keys = {table.key, *(table.index_keys or ())}
    asked: dict[str, Any] = {
        "TableName": application + table.suffix,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": table.key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in sorted(keys)],
    }
    if table.index_keys:
        kinds = zip(table.index_keys, ("HASH", "RANGE"), strict=True)
        index = {
            "IndexName": table.index_name,
            "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in kinds],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        asked["GlobalSecondaryIndexes"] = [index]
    client.create_table(**asked)


@pytest.fixture
def other(desk: RunningDesk, tmp_path: Path) -> Iterator[RunningDesk]:
    """Another machine of the fleet."""
    other = RunningDesk(
        desk.environ["AWS_ENDPOINT_URL"],
        desk.environ["HEADRACE_WAREHOUSE_URL"],
        tmp_path / "other",
        desk.stream,
    )
    yield other
    other.end()


@pytest.mark.timeout(300)
def test_a_fleet_shares_the_shards_and_asks_no_more_of_dynamodb_than_its_role_allows(
    desk: RunningDesk, other: RunningDesk, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    endpoint, application = desk.environ["AWS_ENDPOINT_URL"], desk.environ["HEADRACE_DESK_APPLICATION"]
    client: Any = boto3.client("dynamodb", endpoint_url=endpoint, region_name="us-east-1")
    for table in LEASE_TABLES:
        make(client, application, table)
    desk.put([rejected(n + 1, RejectCode.NOT_JSON, b"line %d" % n) for n in range(RECORDS)])
    with Recorder(endpoint) as dynamodb:
        here = {"HEADRACE_DESK_FLEET": "true", "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url}
        both = [desk.start(**here), other.start(**here)]
        wait_for(lambda: all(shards_of(process) for process in both), 150, every=0.2)
        desk.wait_until_caught_up()
        assert desk.health()["ok"]
        assert other.health()["ok"]
        for process in both:
            process.terminate()
        assert [process.wait(60) for process in both] == [0, 0]
    assert sql("SELECT count(*), sum(seen_on_errors) FROM rejects") == [(RECORDS, RECORDS)]
    allowed = {name.removeprefix("dynamodb:") for name in ON_TABLES}
    asked = {operation for operation, _ in dynamodb.asked} - set(IN_A_TRANSACTION)
    assert asked <= allowed, "a role may not make tables"
    assert {table for _, table in dynamodb.asked if table} == {application + t.suffix for t in LEASE_TABLES}
    made = set(client.list_tables()["TableNames"])
    assert {name for name in made if name.startswith(application)} == {
        application + table.suffix for table in LEASE_TABLES
    }
    client.close()
