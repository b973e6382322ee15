"""Redshift's SQL on PostgreSQL, as far as readers and the migration use it: refused or translated."""

import re

from tests.doubles.redshift_rules import Transaction

_REFUSED = re.compile(
    r"\bNOLOGIN\b|\bSELECT\s+FROM\b|\bSET\s+LOCAL\b|\b(ROLE|USER)\s+IF\b|\bADD\s+COLUMN\s+IF\b"
    r"|\bADD\s+COLUMN\b.*\bADD\s+COLUMN\b",
    re.IGNORECASE | re.DOTALL,
)
"""Redshift has none of these, beside what a writer might send (`redshift_rules`)."""

ALONE = re.compile(r"ALTER\s+TABLE\s+\S+\s+ALTER\s+COLUMN|VACUUM", re.IGNORECASE)
"""Redshift takes these outside of transactions only."""

_TRANSLATIONS = (
    (re.compile(r" ENCODE \w+"), ""),
    (re.compile(r"\n(DISTSTYLE \w+|DISTKEY \([^)]*\)|COMPOUND SORTKEY \([^)]*\))"), ""),
    (re.compile(r"VARBYTE\(\d+\)"), "BYTEA"),
    (re.compile(r"GRANT ROLE "), "GRANT "),
    (re.compile(r'( TO|",) ROLE "'), r'\1 "'),
    (re.compile(r" PASSWORD DISABLE(?: SESSION TIMEOUT \d+)?$"), ""),
    (re.compile(r"\bsvv_roles\b"), "(SELECT rolname AS role_name FROM pg_roles) AS svv_roles"),
)


def on_postgresql(text: str, transaction: Transaction) -> str:
    """The statement for PostgreSQL. Raises ValueError for what Redshift would refuse."""
    if found := _REFUSED.search(text):
        raise ValueError(f'ERROR: syntax error at or near "{found[0]}"')
    if refusal := transaction.refusal(text):
        raise ValueError(f"ERROR: {refusal}")
    for pattern, replacement in _TRANSLATIONS:
        text = pattern.sub(replacement, text)
    return text
