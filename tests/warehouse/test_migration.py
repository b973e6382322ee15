"""The migration over the Data API: everything is made, changed in place, repeated, cut short."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache

import psycopg
import pytest
import sqlglot
from sqlglot import exp

from headrace.errors import SchemaMismatch
from headrace.ops.clock import SystemClock
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.engines import redshift as engines_redshift
from headrace.warehouse.migration import Users, database_user, migrate
from headrace.warehouse.operators import open_operator
from headrace.warehouse.preparation import ANALYST, tables
from headrace.warehouse.reader import Operator, Rows, Statement
from headrace.warehouse.views import views
from tests.doubles.clock import ManualClock
from tests.doubles.data_api import DataApiDouble
from tests.doubles.redshift import RedshiftDouble
from tests.doubles.redshift_bucket import Bucket
from tests.warehouse.at_once import at_once
from tests.warehouse.databases import Databases
from tests.warehouse.queries import Sql

pytestmark = pytest.mark.stack

ALL = list(OUTPUTS.values())
_numbers = itertools.count()


@pytest.fixture(scope="module")
def migrated(server: Callable[[str], str]) -> str:
    """The template that a migration has made."""
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    with DataApiDouble(server("migrated")) as started:
        run(started)
    return "migrated"


from_nothing = pytest.mark.parametrize("double", ["template1"], indirect=True, ids=["from nothing"])


@pytest.fixture
def double(databases: Databases, migrated: str, request: pytest.FixtureRequest) -> Iterator[DataApiDouble]:
    """The Data API of a warehouse that is migrated, unless the test begins from nothing."""
    with databases.lend(getattr(request, "param", migrated)) as url, DataApiDouble(url) as started:
        yield started


@pytest.fixture
def sql(double: DataApiDouble) -> Iterator[Sql]:
    with psycopg.connect(double.database, autocommit=True) as connection:

        def run(text: str) -> list[tuple[object, ...]]:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

        yield run


@cache  # making a client takes longer than asking it
def operator(double: DataApiDouble) -> Operator:
    return open_operator("redshift-data://workgroup/database", ManualClock(), double.environ())


def run(double: DataApiDouble, users: Users | None = None) -> list[str]:
    said: list[str] = []
    migrate(operator(double), ManualClock(), ALL, said.append, users)
    return [line for line in said if not line.startswith(("role ", "user "))]


def state(sql: Sql) -> object:
    columns = sql(
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable "
        "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
    )
    comments = sql("SELECT description FROM pg_description WHERE objoid = 'frontier'::regclass")
    return columns, comments, sql("SELECT * FROM ledger_version")


NOT_PARSED = {"CREATE USER", "GRANT ROLE", "GRANT SELECT", "GRANT SELECT,", "LOCK TABLE"}
"""How what the grammar of the tests' parser does not have begins; it takes a GRANT on one table only."""


def not_parsed(texts: Sequence[str]) -> set[str]:
    parsed = {text: sqlglot.parse_one(text, read="redshift") for text in texts}
    return {" ".join(text.split()[:2]) for text, tree in parsed.items() if isinstance(tree, exp.Command)}


@from_nothing
def test_everything_is_made_once(double: DataApiDouble, sql: Sql) -> None:
    said = run(double)
    assert said == [
        *(f"table {table.name} made" for table in tables(ALL)),
        f"views made: {', '.join(views(ALL))}",
    ]
    made = state(sql)
    assert sql("SELECT * FROM ledger_version") == [(0,)]
    for table in tables(ALL):
        found = sql(f"SELECT * FROM information_schema.columns WHERE table_name = '{table.name}'")
        assert len(found) == len(table.columns)
    for name in views(ALL):
        sql(f"SELECT * FROM {name}")
    before = len(double.texts)
    assert run(double) == []
    assert state(sql) == made
    again = double.texts[before:]
    assert {text.split()[0] for text in again} == {"SELECT", "GRANT", "REVOKE"}


@from_nothing
def test_roles_may_do_what_they_are_for_and_no_more(double: DataApiDouble, sql: Sql) -> None:
    writer, reader, operating = (f"IAMR:{name}-{next(_numbers)}" for name in ("Writer", "r", "o"))
    run(double, Users([writer], [reader], [operating]))
    assert not_parsed(double.texts) - {"CREATE ROLE"} == NOT_PARSED
    bounded = [text for text in double.texts if text.endswith("SESSION TIMEOUT 300")]
    assert bounded == [f'CREATE USER "{writer}" PASSWORD DISABLE SESSION TIMEOUT 300']
    run(double, Users([writer], [reader], [operating]))
    sql(f'SET ROLE "{reader}"')
    sql("SELECT * FROM web_traffic_1m_final, rejects, frontier, ledger")
    for refused in ("SELECT * FROM batches", "DELETE FROM rejects", "CREATE TABLE mine (n INTEGER)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql(refused)
    sql(f'RESET ROLE; SET ROLE "{operating}"')
    for name in (*(table.name for table in tables(ALL)), *views(ALL)):
        sql(f"SELECT * FROM {name}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql("DELETE FROM rejects")
    sql(f'RESET ROLE; SET ROLE "{writer}"')
    sql("SELECT frontier FROM frontier")
    sql("UPDATE ledger_version SET version = version + 1")
    sql("DELETE FROM web_traffic_1m")
    for refused in (
        "DROP TABLE rejects",
        "CREATE TABLE mine (n INTEGER)",
        "ALTER TABLE rejects ADD n INTEGER",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql(refused)
    sql(f'RESET ROLE; DROP USER "{reader}", "{writer}", "{operating}"')


@pytest.mark.parametrize(
    ("caller", "user"),
    [
        ("arn:aws:iam::123456789012:user/alice", "IAM:alice"),
        ("arn:aws:iam::123456789012:user/team/a/alice", "IAM:alice"),
        ("arn:aws-cn:sts::123456789012:assumed-role/Admin/alice@home", "IAMR:Admin"),
        ("arn:aws:iam::123456789012:root", None),
    ],
)
def test_the_database_knows_an_aws_identity_by_its_name(caller: str, user: str | None) -> None:
    assert database_user(caller) == user


def test_a_new_column_that_may_be_unknown_is_added_alone(double: DataApiDouble, sql: Sql) -> None:
    made = state(sql)
    sql("ALTER TABLE rejects DROP COLUMN replayed_at")
    sql("INSERT INTO ledger_types VALUES ('kept', 1)")
    assert run(double) == ["column rejects.replayed_at added"]
    assert state(sql) == made
    assert sql("SELECT records FROM ledger_types") == [(1,)]
    added = [body["Sql"] for name, body in double.requests if "ADD COLUMN" in str(body.get("Sql"))]
    assert added == ['ALTER TABLE "rejects" ADD COLUMN "replayed_at" TIMESTAMPTZ ENCODE AZ64']


def test_a_text_that_became_longer_is_widened_below_its_views(double: DataApiDouble, sql: Sql) -> None:
    made = state(sql)
    finals = ", ".join(f"{output.name}_final" for output in ALL)
    sql(f"DROP VIEW frontier, {finals}; ALTER TABLE epochs ALTER COLUMN stream TYPE VARCHAR(9)")
    sql("; ".join(views(ALL).values()))
    assert run(double) == [
        "column epochs.stream widened from 9 to 256 bytes",
        f"views made: {', '.join(views(ALL))}",
    ]
    assert state(sql) == made


IMPOSSIBLE = {
    "ALTER TABLE web_paths_5m RENAME COLUMN records TO counted": "give the changed output a new name",
    "ALTER TABLE rejects ADD COLUMN more INTEGER": "table rejects has the columns",
    "ALTER TABLE batches DROP COLUMN committed_at": r"lacks \['committed_at'\]",
}


def test_what_cannot_be_changed_is_told_before_anything_is_done(double: DataApiDouble, sql: Sql) -> None:
    sql(f"DROP VIEW {', '.join(views(ALL))}; DROP TABLE breakers")
    before = len(double.texts)
    for change, says in IMPOSSIBLE.items():  # each table comes before the last in the order of the check
        sql(change)
        with pytest.raises(SchemaMismatch, match=says):
            run(double)
    assert {text.split()[0] for text in double.texts[before:]} == {"SELECT"}


def test_views_that_changed_are_made_anew_in_one_transaction(double: DataApiDouble, sql: Sql) -> None:
    sql("COMMENT ON VIEW ledger IS 'of another version'")
    before = len(double.requests)
    assert run(double) == [f"views made: {', '.join(views(ALL))}"]
    batches = [body["Sqls"] for _, body in double.requests[before:] if "Sqls" in body]
    (remade,) = [batch for batch in batches if any(text.startswith("DROP VIEW") for text in batch)]
    assert sum("CREATE OR REPLACE VIEW" in text for text in remade) == len(views(ALL))
    (dropped,) = [text for text in remade if text.startswith("DROP VIEW")]
    assert dropped.removeprefix("DROP VIEW IF EXISTS ").split(", ") == [
        f'"{n}"' for n in reversed(views(ALL))
    ]
    assert sql(f"SELECT has_table_privilege('{ANALYST}', 'ledger', 'SELECT')") == [(True,)]


class OneChange:
    """Lets one change happen, or none but the attempt, and is then interrupted."""

    def __init__(self, operator: Operator) -> None:
        self._operator, self.changed = operator, False

    def read(self, *statements: Statement) -> list[Rows]:
        return self._operator.read(*statements)

    def apply(self, *steps: Sequence[Statement]) -> None:
        self._once(lambda: self._operator.apply(*steps))

    def apply_alone(self, statement: Statement) -> None:
        self._once(lambda: self._operator.apply_alone(statement))

    def close(self) -> None:
        self._operator.close()

    def _once(self, change: Callable[[], None]) -> None:
        if self.changed:
            raise KeyboardInterrupt
        self.changed = True
        change()


@from_nothing
def test_cut_short_after_every_change_it_ends_the_same(double: DataApiDouble, sql: Sql) -> None:
    for turns in itertools.count(1):
        double.failures.append("ERROR: 1023\n  Detail: Serializable isolation violation on table - 100")
        assert turns < 20
        try:
            migrate(OneChange(operator(double)), ManualClock(), ALL, lambda _line: None)
        except KeyboardInterrupt:
            continue
        break
    double.failures.clear()
    assert turns > 2
    assert run(double) == []
    assert sql("SELECT * FROM ledger_version") == [(0,)]


@from_nothing
def test_over_a_connection_it_ends_the_same(
    double: DataApiDouble, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with RedshiftDouble(double.database, Bucket()).serving() as redshift:
        monkeypatch.setattr(engines_redshift, "login", lambda _address: redshift.login())
        with closing(open_operator(redshift.address, ManualClock(), {})) as connected:
            migrate(connected, ManualClock(), ALL, said.append)
            made = state(sql)
            sql("DROP VIEW rejects_per_minute; ALTER TABLE rejects ALTER COLUMN code TYPE VARCHAR(9)")
            migrate(connected, ManualClock(), ALL, said.append)
    assert {f"table {table.name} made" for table in tables(ALL)} < {*said}
    assert said[-2:] == [
        "column rejects.code widened from 9 to 64 bytes",
        f"views made: {', '.join(views(ALL))}",
    ]
    assert run(double) == []
    assert state(sql) == made


@from_nothing
def test_two_at_once_end_the_same(double: DataApiDouble, sql: Sql) -> None:
    at_once(2, lambda: migrate(operator(double), SystemClock(), ALL, lambda _line: None))
    assert run(double) == []
    assert sql("SELECT * FROM ledger_version") == [(0,)]
