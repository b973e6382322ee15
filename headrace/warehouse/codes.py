"""What an engine's codes say of a failed statement, for every engine and way to it.

Sources: PostgreSQL manual, appendix A (SQLSTATE); Amazon Redshift Database Developer Guide, "Serializable
isolation" (1023). Redshift's own errors all have SQLSTATE XX000 and a number beside it.
"""

_REPEATED_CLASSES = frozenset({"08", "40", "53", "57", "58"})
"""Connection, rollback, resources, operator's intervention, system."""

_REPEATED = frozenset({"25006", "25P03", "25P04", "55P03"})
"""Read-only (a failover), time limits of a transaction, lock not available."""

_REPEATED_NUMBERS = frozenset({"1018", "1020", "1023", "15001", "15005"})
"""A table changed under the transaction; serializable isolation violated; COPY could not reach S3."""

_MISSING = frozenset({"3F000", "42703", "42704", "42P01"})
"""A schema, a column, an object, a table."""


def may_be_repeated(state: str, number: str = "") -> bool:
    """Whether the whole transaction may be repeated; `number` is Redshift's own, '' where it gave none."""
    return state[:2] in _REPEATED_CLASSES or state in _REPEATED or number in _REPEATED_NUMBERS


def is_missing(state: str) -> bool:
    """Whether the statement names what is not there."""
    return state in _MISSING
