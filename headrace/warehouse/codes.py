"""What an engine's codes make of a failed statement, for every engine and way to it.

Sources: PostgreSQL manual, appendix A (SQLSTATE); Amazon Redshift Database Developer Guide, "Serializable
isolation" (1023). Redshift's own errors all have SQLSTATE XX000 and a number beside it.
"""

from headrace.errors import (
    HeadraceError,
    SchemaMismatch,
    SettingsError,
    WarehouseRefused,
    WarehouseUnavailable,
)

_REPEATED_CLASSES = frozenset({"08", "40", "53", "57", "58"})
"""Connection, rollback, resources, operator's intervention, system."""

_REPEATED = frozenset({"25006", "25P03", "25P04", "55P03"})
"""Read-only (a failover), time limits of a transaction, lock not available."""

_REPEATED_NUMBERS = frozenset({"1018", "1020", "1023", "15001", "15005"})
"""A table changed under the transaction; serializable isolation violated; COPY could not reach S3."""

_MISSING = frozenset({"3F000", "42703", "42704", "42P01"})
"""A schema, a column, an object, a table."""

_NO_ENTRY = ("28", "3D", "42501")
"""The user, the database, the user's rights."""


def fate_of(state: str, text: str, *, number: str = "", maker: str = "headrace migrate") -> HeadraceError:
    """The error that callers see.

    Args:
        state: the SQLSTATE, '' where there is none.
        text: the engine's own words.
        number: Redshift's own of its error, '' where it gave none.
        maker: the command that makes what is missing.
    """
    if state[:2] in _REPEATED_CLASSES or state in _REPEATED or number in _REPEATED_NUMBERS:
        return WarehouseUnavailable(f"the warehouse could not do it now: {text}")
    if state in _MISSING:
        return SchemaMismatch(f"the warehouse lacks something; `{maker}` creates it: {text}")
    if state.startswith(_NO_ENTRY):
        return SettingsError(f"HEADRACE_WAREHOUSE_URL: this user may not do it: {text}")
    return WarehouseRefused(f"the warehouse refused: {text}")
