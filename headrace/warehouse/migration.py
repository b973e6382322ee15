"""Bringing Redshift's schema to this version: what is missing is made, and no row is ever taken away.

What to do is decided by the catalogue alone: cut short, run again or twice at once, it ends the same.

Sources: Amazon Redshift Database Developer Guide, "ALTER TABLE" (one ADD COLUMN; VARCHAR only grows, in no
transaction), "CREATE VIEW" (replacing one keeps its columns), "CREATE USER", "CREATE ROLE", "GRANT".
"""

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from headrace.errors import RetryError, WarehouseRefused
from headrace.ops.clock import Clock
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.targets.redshift import create_table
from headrace.schemas.targets.sql import quote
from headrace.warehouse.catalogue import Catalogue, read_catalogue
from headrace.warehouse.migration_columns import column_changes
from headrace.warehouse.preparation import ANALYST, FIRST_VERSION, tables
from headrace.warehouse.reader import Operator, Statement
from headrace.warehouse.system_tables import LOCK_WRITERS
from headrace.warehouse.views import readable_by_analysts, views

WRITER = "headrace_writer"
OPERATOR = "headrace_operator"
_ROLES = (ANALYST, OPERATOR, WRITER)
_VERSIONS = Statement("SELECT COUNT(*) FROM ledger_version")
_WAITS = (1.0, 4.0)  # seconds before another attempt

Say = Callable[[str], None]


@dataclass(frozen=True)
class Users:
    """Database users to be made where they are missing, `IAMR:name` for who comes with an AWS role.

    Writers write every table, operators read every table, as `reconcile` must, readers what analysts read.
    """

    writers: Sequence[str] = ()
    readers: Sequence[str] = ()
    operators: Sequence[str] = ()

    @property
    def members(self) -> list[tuple[str, str]]:
        """Every role with each of its users."""
        by_role = {WRITER: self.writers, ANALYST: self.readers, OPERATOR: self.operators}
        return [(role, user) for role, users in by_role.items() for user in users]


def database_user(caller: str) -> str | None:
    """The database user that Redshift derives from an AWS identity's ARN; None of what is no user or role.

    Source: Amazon Redshift Data API Reference, ExecuteStatement (temporary credentials).
    """
    found = re.fullmatch(r"arn:[^:]+:(?:iam|sts)::\d+:(user|assumed-role)/(.+)", caller)
    if found is None:
        return None
    kind, name = found.groups()
    return f"IAM:{name.rpartition('/')[2]}" if kind == "user" else f"IAMR:{name.partition('/')[0]}"


def migrate(
    operator: Operator, clock: Clock, outputs: Sequence[WindowedOutput], say: Say, users: Users | None = None
) -> None:
    """Make what is missing; `say` is told of each change, and of nothing when there is none.

    The user must be the warehouse's administrator. Raises `SchemaMismatch` before anything is done when a
    table cannot be brought to what this version declares, and as `Reader.read`.
    """
    migration = _Migration(operator, outputs, say, users or Users())
    for wait in _WAITS:
        try:
            return migration.run()
        except (RetryError, WarehouseRefused):  # what is refused may have been made by another migration
            clock.sleep(wait)
    return migration.run()


_VANISHED = " SESSION TIMEOUT 300"  # seconds idle: a writer that is gone must not hold `writer_lock` for long


class _Migration:
    def __init__(self, operator: Operator, outputs: Sequence[WindowedOutput], say: Say, users: Users) -> None:
        self._operator = operator
        self._outputs = outputs
        self._tables = tables(outputs)
        self._views = views(outputs)
        self._say = say
        self._users = users

    def run(self) -> None:
        there = read_catalogue(self._operator.read)
        changes = column_changes(there, self._tables)
        self._make_principals(there)
        self._make_tables(there)
        there = self._set_aside(there, {change.table for change in changes if change.widens})
        for change in changes:
            self._alone(change.said, change.statement)
        self._number_the_ledger()
        self._make_views(there)
        self._operator.apply(*([statement] for statement in self._grants(there.schema)))

    def _make_principals(self, there: Catalogue) -> None:
        for role in _ROLES:
            if role not in there.roles:
                self._alone(f"role {role} made", Statement(f"CREATE ROLE {quote(role)}"))
        for user, role in {user: role for role, user in self._users.members}.items():
            if user.lower() not in there.users:
                made = f"CREATE USER {quote(user)} PASSWORD DISABLE"
                self._alone(f"user {user} made", Statement(made + (_VANISHED if role == WRITER else "")))

    def _make_tables(self, there: Catalogue) -> None:
        missing = [table for table in self._tables if table.name not in there.columns]
        if missing:
            self._operator.apply(*([Statement(create_table(table))] for table in missing))
        for table in missing:
            self._say(f"table {table.name} made")

    def _set_aside(self, there: Catalogue, widened: Collection[str]) -> Catalogue:
        """Drop the views that stand on tables whose columns are widened: no database would take that."""
        gone = set(widened)
        for name, text in self._views.items():
            if any(re.search(rf"\b{below}\b", text) for below in gone):
                gone.add(name)
        if dropped := _drop([name for name in self._views if name in gone & there.views.keys()]):
            self._operator.apply(dropped)
        return there._replace(views={name: it for name, it in there.views.items() if name not in gone})

    def _number_the_ledger(self) -> None:
        [(count,)] = self._operator.read(_VERSIONS)[0].rows
        if not count:
            self._operator.apply([Statement(LOCK_WRITERS), Statement(FIRST_VERSION)])

    def _make_views(self, there: Catalogue) -> None:
        """When one is new or changed, all are made anew in one go: some stand on others."""
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self._views.items()}
        if all(there.views.get(name) == digest for name, digest in digests.items()):
            return
        steps = [_drop([name for name in self._views if name in there.views])]
        readable = readable_by_analysts(self._outputs)
        for name, text in self._views.items():
            roles = [role for role in _ROLES if role != ANALYST or name in readable]
            steps.append(
                [
                    Statement(text),
                    Statement(f"COMMENT ON VIEW {quote(name)} IS '{digests[name]}'"),
                    _grant("SELECT", [name], *roles),
                ]
            )
        self._operator.apply(*steps)
        self._say(f"views made: {', '.join(self._views)}")

    def _grants(self, schema: str) -> list[Statement]:
        """All that the roles may do; given again each time, because that changes nothing."""
        every = [table.name for table in self._tables]
        return [
            Statement(f"REVOKE CREATE ON SCHEMA {quote(schema)} FROM PUBLIC"),
            *(Statement(f"GRANT USAGE ON SCHEMA {quote(schema)} TO ROLE {quote(role)}") for role in _ROLES),
            _grant("SELECT", readable_by_analysts(self._outputs), ANALYST),
            _grant("SELECT", every, OPERATOR),
            _grant("SELECT, INSERT, UPDATE, DELETE", every, WRITER),
            _grant("SELECT", list(self._views), OPERATOR, WRITER),
            *(Statement(f"GRANT ROLE {quote(role)} TO {quote(user)}") for role, user in self._users.members),
        ]

    def _alone(self, said: str, statement: Statement) -> None:
        self._operator.apply_alone(statement)
        self._say(said)


def _drop(names: Sequence[str]) -> list[Statement]:
    """One statement for all of them, in whose order they can be made; none without names.

    The last comes first: Redshift drops one after the other, and takes none that another stands on.
    """
    return [Statement(f"DROP VIEW IF EXISTS {', '.join(map(quote, reversed(names)))}")] if names else []


def _grant(rights: str, names: Sequence[str], *roles: str) -> Statement:
    members = ", ".join(f"ROLE {quote(role)}" for role in roles)
    return Statement(f"GRANT {rights} ON {', '.join(map(quote, names))} TO {members}")
