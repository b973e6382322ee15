"""What a warehouse says is there: columns, views, roles, users."""

from collections.abc import Mapping
from typing import NamedTuple, cast

from headrace.warehouse.reader import Read, Statement

_COLUMNS = Statement(
    "SELECT table_name, column_name, character_maximum_length FROM information_schema.columns "
    "WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
)
_VIEWS = Statement(
    "SELECT views.relname, notes.description FROM pg_class AS views "
    "JOIN pg_namespace AS spaces ON spaces.oid = views.relnamespace "
    "LEFT JOIN pg_description AS notes ON notes.objoid = views.oid AND notes.objsubid = 0 "
    "WHERE views.relkind = 'v' AND spaces.nspname = current_schema()"
)
_ROLES = Statement("SELECT role_name FROM svv_roles")
_USERS = Statement("SELECT usename FROM pg_user")
_SCHEMA = Statement("SELECT current_schema()")

ColumnThere = tuple[str, int | None]
"""A column's name and, of text, its length."""


class Catalogue(NamedTuple):
    """What is there.

    Args:
        schema: the schema that names without one mean.
        columns: of every table and view, in their order.
        views: every view with its comment.
        roles: the names of the roles.
        users: the names of the database's users, in lower case: Redshift does not tell them apart by case.
    """

    schema: str
    columns: Mapping[str, list[ColumnThere]]
    views: Mapping[str, str | None]
    roles: frozenset[str]
    users: frozenset[str]


def read_catalogue(read: Read) -> Catalogue:
    """The catalogue of a Redshift, for who may see all of it."""
    schema, columns, views, roles, users = (
        found.rows for found in read(_SCHEMA, _COLUMNS, _VIEWS, _ROLES, _USERS)
    )
    by_table: dict[str, list[ColumnThere]] = {}
    for table, column, length in cast("list[tuple[str, str, int | None]]", columns):
        by_table.setdefault(table, []).append((column, length))
    return Catalogue(
        schema=str(schema[0][0]),
        columns=by_table,
        views=dict(cast("list[tuple[str, str | None]]", views)),
        roles=frozenset(str(name) for (name,) in roles),
        users=frozenset(str(name).lower() for (name,) in users),
    )
