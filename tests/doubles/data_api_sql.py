"""Redshift's SQL on PostgreSQL, as far as readers and the migration use it: refused or translated."""

import re

REFUSED = re.compile(
    r"CREATE\s+(UNIQUE\s+)?INDEX|ON\s+CONFLICT|SAVEPOINT|FOR\s+UPDATE|FILTER\s*\(|DISTINCT\s+ON|LATERAL"
    r"|to_regclass|pg_indexes|ON\s+COMMIT|NOLOGIN|GENERATE_SERIES|DO\s+\$\$|SELECT\s+FROM|BYTEA"
    r"|SET\s+LOCAL|CREATE\s+ROLE\s+IF|CREATE\s+USER\s+IF|ADD\s+COLUMN\s+IF",
    re.IGNORECASE,
)
"""Redshift has none of these."""

ALONE = re.compile(r"ALTER\s+TABLE\s+\S+\s+ALTER\s+COLUMN|VACUUM", re.IGNORECASE)
"""Redshift takes these outside of transactions only."""

_TRANSLATIONS = (
    (re.compile(r" ENCODE \w+"), ""),
    (re.compile(r"\n(DISTSTYLE \w+|DISTKEY \([^)]*\)|COMPOUND SORTKEY \([^)]*\))"), ""),
    (re.compile(r"VARBYTE\(\d+\)"), "BYTEA"),
    (re.compile(r"GRANT ROLE "), "GRANT "),
    (re.compile(r" TO ROLE "), " TO "),
    (re.compile(r" PASSWORD DISABLE"), ""),
    (re.compile(r"\bsvv_roles\b"), "(SELECT rolname AS role_name FROM pg_roles) AS svv_roles"),
)


def on_postgresql(text: str) -> str:
    """The statement for PostgreSQL. Raises ValueError for what Redshift would refuse."""
    if found := REFUSED.search(text):
        raise ValueError(f'ERROR: syntax error at or near "{found[0]}"')
    if len(re.findall(r"ADD COLUMN", text)) > 1:
        raise ValueError("ERROR: ALTER TABLE takes one ADD COLUMN")
    for pattern, replacement in _TRANSLATIONS:
        text = pattern.sub(replacement, text)
    return text
