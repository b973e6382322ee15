import psycopg
import pytest

from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.engines import redshift
from headrace.warehouse.preparation import tables
from tests.cli.conftest import Headrace
from tests.doubles.data_api import DataApiDouble
from tests.doubles.redshift import RedshiftDouble
from tests.doubles.redshift_bucket import Bucket

pytestmark = pytest.mark.stack


def test_the_schema_is_made_then_there_is_nothing_to_do(
    headrace: Headrace, database: psycopg.Connection, warehouse_url: str
) -> None:
    database.execute("CREATE DATABASE empty")
    with DataApiDouble(warehouse_url.rsplit("/", 1)[0] + "/empty") as double:
        first = headrace("migrate", "--writer", "IAMR:job", "--reader", "IAMR:analyst", **double.environ())
        again = headrace("migrate", "--writer", "IAMR:job", "--reader", "IAMR:analyst", **double.environ())
    assert (first.code, again.code) == (0, 0)
    assert set(first.out.splitlines()) >= {
        "user IAMR:job made",
        "user IAMR:analyst made",
        *(f"table {table.name} made" for table in tables(list(OUTPUTS.values()))),
    }
    assert again.out == "nothing to do: the schema is that of this version\n"


def test_a_connection_to_redshift_does_as_well_as_the_data_api(
    headrace: Headrace, database: psycopg.Connection, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute("CREATE DATABASE by_connection")
    with RedshiftDouble(warehouse_url.rsplit("/", 1)[0] + "/by_connection", Bucket()).serving() as double:
        monkeypatch.setattr(redshift, "login", lambda _address: double.login())
        call = ("migrate", "--writer", "IAMR:another-job")
        first = headrace(*call, HEADRACE_WAREHOUSE_URL=double.address)
        again = headrace(*call, HEADRACE_WAREHOUSE_URL=double.address)
    assert (first.code, again.code) == (0, 0), first.err
    assert {"user IAMR:another-job made", "table rejects made"} < {*first.out.splitlines()}
    assert again.out == "nothing to do: the schema is that of this version\n"


def test_postgresql_is_prepared_and_its_users_are_left_alone(
    headrace: Headrace, database: psycopg.Connection, warehouse_url: str
) -> None:
    database.execute("DROP TABLE breakers")
    assert headrace("migrate", HEADRACE_WAREHOUSE_URL=warehouse_url).code == 0
    assert database.execute("SELECT * FROM breakers").fetchall() == []
    refused = headrace("migrate", "--writer", "job", HEADRACE_WAREHOUSE_URL=warehouse_url)
    assert refused.code == 2
    assert "on Redshift only" in refused.err
