"""Databases for tests: each a copy of a template, given to the next test once it is as it was made."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

_SHAPE = """SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM (
    SELECT concat_ws(' ', relname, relkind, relacl) AS line FROM pg_class WHERE relnamespace = $1
    UNION ALL SELECT concat_ws(' ', relname, attname, atttypid, atttypmod, attnotnull, attacl)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = $1
    UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = $1
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = $1
    UNION ALL SELECT md5(ev_action::text) FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
        WHERE relnamespace = $1
    UNION ALL SELECT description FROM pg_description JOIN pg_class ON pg_class.oid = objoid
        WHERE relnamespace = $1
) AS lines""".replace("$1", "'public'::regnamespace")


class Databases:
    """Copying a database takes ten times as long as emptying the few tables that a test has filled."""

    def __init__(self, server: Callable[[str], str]) -> None:
        self._server = server
        self._numbers = itertools.count()
        self._free: defaultdict[str, list[str]] = defaultdict(list)
        self._shapes: dict[str, object] = {}

    @contextmanager
    def lend(self, template: str) -> Iterator[str]:
        """The URL of a copy that nobody else has; what its user makes of it, no other test sees."""
        name = self._free[template].pop() if self._free[template] else self._copy(template)
        yield self._server(name)
        with psycopg.connect(self._server(name), autocommit=True) as connection:
            whole = _shape(connection) == self._shapes[template]
            if whole:
                _empty(connection)
        if whole:
            self._free[template].append(name)
        else:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _copy(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template}")
        if template not in self._shapes:
            with psycopg.connect(self._server(name)) as connection:
                self._shapes[template] = _shape(connection)
        return name

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._server("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def _shape(connection: psycopg.Connection) -> object:
    """All that a database has beside rows."""
    return connection.execute(_SHAPE.encode()).fetchone()


def _empty(connection: psycopg.Connection) -> None:
    """No rows but the ledger's first version, and no connections of others."""
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    connection.execute(
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}".encode()
    )
    found = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    tables = [name for (name,) in connection.execute(found)]
    filled = " UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in tables)
    if filled and (names := [name for (name,) in connection.execute(filled.encode())]):
        connection.execute("; ".join(f"DELETE FROM {name}" for name in names).encode())
    if tables:
        connection.execute("INSERT INTO ledger_version VALUES (0)")
