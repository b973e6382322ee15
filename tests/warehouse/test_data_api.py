"""The Data API's own rules: asynchronous, few statements at once, tokens, pages, limits, cancelling."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from headrace.errors import (
    HeadraceError,
    SchemaMismatch,
    SettingsError,
    WarehouseRefused,
    WarehouseUnavailable,
)
from headrace.warehouse.data_api import MAX_STATEMENT_BYTES, DataApi
from headrace.warehouse.data_api_address import connect
from headrace.warehouse.data_api_faults import statement_fault
from headrace.warehouse.reader import Statement
from tests.doubles.clock import ManualClock
from tests.doubles.data_api import DataApiDouble

pytestmark = pytest.mark.stack

_numbers = itertools.count()
ONE = Statement("SELECT 1")


@pytest.fixture(scope="module")
def database(server: Callable[[str], str]) -> str:
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE data_api")
    return server("data_api")


@pytest.fixture
def double(database: str) -> Iterator[DataApiDouble]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS stage_t")
        connection.execute("CREATE TABLE stage_t (n INTEGER)")
    with DataApiDouble(database) as started:
        yield started


@pytest.fixture
def api(double: DataApiDouble, clock: ManualClock) -> DataApi:
    return connect("redshift-data://workgroup/database?secret=arn:aws:s", clock, double.environ())


def rows(database: str) -> list[int]:
    with psycopg.connect(database) as connection:
        return [n for (n,) in connection.execute("SELECT n FROM stage_t ORDER BY n")]


def asked(double: DataApiDouble, operation: str) -> list[Any]:
    return [body for name, body in double.requests if name == operation]


def insert(number: int) -> Statement:
    return Statement("INSERT INTO stage_t VALUES (%s)", [number])


def test_a_request_says_where_and_under_which_secret(api: DataApi, double: DataApiDouble) -> None:
    api.read(ONE)
    (request,) = asked(double, "ExecuteStatement")
    assert request.items() >= {
        ("WorkgroupName", "workgroup"),
        ("Database", "database"),
        ("SecretArn", "arn:aws:s"),
        ("Sql", "SELECT 1"),
    }


def test_a_lone_statement_with_text_has_named_parameters(api: DataApi, double: DataApiDouble) -> None:
    (found,) = api.read(Statement("SELECT '%%' || %s || %s AS a", ["it's", ":p1"]))
    assert found.rows == [("%it's:p1",)]
    (request,) = asked(double, "ExecuteStatement")
    assert request["Sql"] == "SELECT '%' || :p1 || :p2 AS a"
    assert request["Parameters"] == [{"name": "p1", "value": "it's"}, {"name": "p2", "value": ":p1"}]


def test_what_python_has_no_value_for_stays_text(api: DataApi) -> None:
    asked = "SELECT CAST('infinity' AS TIMESTAMPTZ), CAST('4713-01-01 BC' AS DATE)"
    assert api.read(Statement(asked))[0].rows == [("infinity", "4713-01-01 BC")]


def test_waiting_backs_off(double: DataApiDouble) -> None:
    double.stuck = True

    class Patient(ManualClock):
        def sleep(self, seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 12:
                double.stuck = False

    waits: list[float] = []
    patient = connect("redshift-data://workgroup/database", Patient(), double.environ())
    assert patient.read(ONE)[0].rows == [(1,)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.1, 5.0)


def test_ctrl_c_stops_the_statement_at_the_service(double: DataApiDouble, database: str) -> None:
    double.stuck = True

    class Interrupted(ManualClock):
        def sleep(self, seconds: float) -> None:
            if seconds > 1:
                raise KeyboardInterrupt

    api = connect("redshift-data://workgroup/database", Interrupted(), double.environ())
    with pytest.raises(KeyboardInterrupt):
        api.apply([insert(1)])
    assert double.states == ["ABORTED"]
    assert rows(database) == []


def test_what_somebody_else_cancelled_may_be_asked_again(double: DataApiDouble) -> None:
    double.stuck = True

    class Cancelling(ManualClock):
        def sleep(self, seconds: float) -> None:
            if seconds > 1:
                double.cancel_statement({"Id": asked(double, "DescribeStatement")[0]["Id"]})

    api = connect("redshift-data://workgroup/database", Cancelling(), double.environ())
    with pytest.raises(WarehouseUnavailable, match="cancelled"):
        api.read(ONE)


@pytest.mark.parametrize("took_effect", [True, False])
@pytest.mark.parametrize(
    "code", ["ActiveStatementsExceededException", "ThrottlingException", "InternalServerException", None]
)
def test_a_request_is_made_again_and_takes_effect_once(
    api: DataApi, double: DataApiDouble, database: str, code: str | None, took_effect: bool
) -> None:
    for operation in ("ExecuteStatement", "BatchExecuteStatement"):
        double.faults.extend([(operation, code, took_effect)] * 3)
        double.faults.extend([("DescribeStatement", code, took_effect)])
        api.apply([insert(1)]) if operation == "ExecuteStatement" else api.apply([insert(2), insert(3)])
        requests = asked(double, operation)
        assert len(requests) == 4
        assert len({request["ClientToken"] for request in requests}) == 1
    assert rows(database) == [1, 2, 3]


def test_two_calls_have_two_tokens(api: DataApi, double: DataApiDouble, database: str) -> None:
    for _ in range(2):
        api.apply([insert(1)])
    assert rows(database) == [1, 1]
    assert all(len(request["ClientToken"]) <= 64 for request in asked(double, "ExecuteStatement"))


def test_a_service_that_stays_busy_is_left_alone(
    api: DataApi, double: DataApiDouble, clock: ManualClock
) -> None:
    double.faults.extend([("ExecuteStatement", "ActiveStatementsExceededException", False)] * 100)
    with pytest.raises(WarehouseUnavailable, match="ActiveStatementsExceeded"):
        api.read(ONE)
    assert len(asked(double, "ExecuteStatement")) == 8
    assert 1 < clock.monotonic() < 60


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ExpiredTokenException", "ResourceNotFoundException"]
)
def test_what_is_not_allowed_is_a_matter_of_settings(api: DataApi, double: DataApiDouble, code: str) -> None:
    double.faults.append(("ExecuteStatement", code, False))
    with pytest.raises(SettingsError, match="HEADRACE_WAREHOUSE_URL"):
        api.read(ONE)
    assert len(asked(double, "ExecuteStatement")) == 1


def test_without_credentials_the_settings_are_told(
    double: DataApiDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    environ = {"AWS_ENDPOINT_URL_REDSHIFT_DATA": double.url}
    with pytest.raises(SettingsError, match="AWS settings: the Data API"):
        connect("redshift-data://workgroup/database?region=eu-west-1", ManualClock(), environ).read(ONE)
    with pytest.raises(SettingsError, match="region"):
        connect("redshift-data://workgroup/database", ManualClock(), environ)


def test_forty_statements_are_one_transaction_and_no_step_is_cut(
    api: DataApi, double: DataApiDouble, database: str
) -> None:
    api.apply(*([insert(n)] * 3 for n in range(20)))
    assert [len(request["Sqls"]) for request in asked(double, "BatchExecuteStatement")] == [39, 21]
    assert rows(database) == sorted([*range(20)] * 3)
    with pytest.raises(ValueError, match="41 statements"):
        api.apply([insert(1)] * 41)


def test_a_batch_that_fails_leaves_nothing_and_the_ones_before_it_stay(api: DataApi, database: str) -> None:
    steps = [[insert(n)] for n in range(45)]
    with pytest.raises(WarehouseRefused, match="division by zero"):
        api.apply(*steps, [Statement("SELECT 1 / 0")])
    assert rows(database) == list(range(40))


def test_a_statement_that_is_too_long_is_told_before_it_is_sent(api: DataApi, double: DataApiDouble) -> None:
    begin = "SELECT 1 -- "
    fits = begin + "\u00fc" * ((MAX_STATEMENT_BYTES - len(begin)) // 2)
    with pytest.raises(WarehouseRefused, match="100,000 bytes"):
        api.read(ONE, Statement(fits + "\u00fc"))
    assert double.requests == []
    assert len(fits.encode()) == MAX_STATEMENT_BYTES
    assert api.read(Statement(fits))[0].rows == [(1,)]


def test_a_result_that_is_too_large_is_told_with_the_remedy(api: DataApi, double: DataApiDouble) -> None:
    with pytest.raises(WarehouseRefused, match="64 KB in a row"):
        api.read(Statement("SELECT repeat('x', 70000)"))
    double.most_result_bytes = 1000
    with pytest.raises(WarehouseRefused, match=r"500 MB.*LIMIT"):
        api.read(Statement("SELECT repeat('x', 600) UNION ALL SELECT repeat('y', 600)"))


def test_statements_that_no_transaction_takes_are_refused_in_one(api: DataApi, double: DataApiDouble) -> None:
    widen = Statement("ALTER TABLE stage_t ALTER COLUMN n TYPE BIGINT")
    with pytest.raises(WarehouseRefused, match="inside a transaction"):
        api.apply([insert(1), widen])
    api.apply_alone(widen)
    assert double.states == ["FAILED", "FINISHED"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            "ERROR: 1023\n  Detail: Serializable isolation violation on table - 100, transactions forming",
            WarehouseUnavailable,
        ),
        ("ERROR: 1018\n  Detail: Relation does not exist.", WarehouseUnavailable),
        ("ERROR: deadlock detected", WarehouseUnavailable),
        ("ERROR: it was busy (SQLSTATE 40001)", WarehouseUnavailable),
        ("ERROR: the words do not matter (SQLSTATE 42P01)", SchemaMismatch),
        ('ERROR: relation "t" does not exist [ErrorId: 1-6543]', SchemaMismatch),
        ("ERROR: column t.b does not exist", SchemaMismatch),
        ("ERROR: permission denied for relation t", SettingsError),
        ("ERROR: no (SQLSTATE: 42501)", SettingsError),
        ('ERROR: syntax error at or near "1023"', WarehouseRefused),
        ("ERROR: 40001 is no number of Redshift's", WarehouseRefused),
    ],
)
def test_a_failed_statement_has_a_fate(told: str, expected: type[HeadraceError]) -> None:
    error = statement_fault(told)
    assert type(error) is expected
    assert told in str(error)


def test_the_statement_that_failed_is_told(api: DataApi, double: DataApiDouble) -> None:
    double.failures.append("ERROR: 1023\n  Detail: Serializable isolation violation on table - 100")
    with pytest.raises(WarehouseUnavailable, match="1023"):
        api.apply([insert(1), insert(2)])
    assert double.states == ["FAILED"]
