"""What Redshift takes, refuses and calls otherwise than PostgreSQL.

Source: Amazon Redshift Database Developer Guide, "Amazon Redshift and PostgreSQL", "MERGE", "LOCK".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.targets.sql import quote
from headrace.warehouse.preparation import tables

_REFUSED = (
    r"\bSAVEPOINT\b",
    r"\bCREATE\s+(UNIQUE\s+)?INDEX\b",
    r"\bON\s+CONFLICT\b",
    r"\bON\s+COMMIT\b",
    r"\bFOR\s+(UPDATE|SHARE)\b",
    r"\bRETURNING\b",
    r"\bDISTINCT\s+ON\b",
    r"\bFILTER\s*\(",
    r"\bLATERAL\b",
    r"\bANY\s*\(",
    r"\bARRAY\b|\[\]",
    r"\bstring_to_array\b|&&",
    r"\bto_regclass\b|\bpg_indexes\b|\bpg_roles\b|\bpg_advisory",
    r"^\s*DO\b",
    r"^\s*COPY\b.*\bSTDIN\b",
    r"\bBYTEA\b",
    r"\bTRUNCATE\b",  # it commits
    r"\([\w.\"]+(,\s*[\w.\"]+)+\)\s*[<>]=?\s*\(",  # rows compared
    r"\bOR\s+(NOT\s+)?EXISTS\s*\(",  # a correlated subquery below an OR
    r"(?<!ENCODE )(?<!\")\b(RAW|TAG|SNAPSHOT|OPEN|OLD|NEW|OFFSET|PERCENT|SYSTEM)\b(?!\")",  # reserved words
    r"\bNOLOGIN\b",
    r"\bSELECT\s+FROM\b",
    r"\bSET\s+LOCAL\b",
    r"\b(ROLE|USER)\s+IF\b",
    r"\bADD\s+COLUMN\s+IF\b|(?s:\bADD\s+COLUMN\b.*\bADD\s+COLUMN\b)",
)
_ALONE = re.compile(r"ALTER\s+TABLE\s+\S+\s+ALTER\s+COLUMN|VACUUM", re.IGNORECASE)
"""What no transaction takes."""

_TRANSLATIONS = (
    (re.compile(r" ENCODE \w+"), ""),
    (re.compile(r"\n(DISTSTYLE \w+|DISTKEY \([^)]*\)|COMPOUND SORTKEY \([^)]*\))"), ""),
    (re.compile(r"VARBYTE\(\d+\)"), "BYTEA"),
    (re.compile(r"GRANT ROLE "), "GRANT "),
    (re.compile(r'( TO|",) ROLE "'), r'\1 "'),
    (re.compile(r" PASSWORD DISABLE(?: SESSION TIMEOUT \d+)?$"), ""),
    (re.compile(r"\bsvv_roles\b"), "(SELECT rolname AS role_name FROM pg_roles) AS svv_roles"),
)
_MERGE = re.compile(
    r'MERGE INTO "\w+" USING "\w+" AS staged ON (?P<on>[^\n]+)\n'
    r"WHEN MATCHED THEN UPDATE SET [^\n]+\n"
    r"WHEN NOT MATCHED THEN INSERT \([^\n]+\) VALUES \([^\n]+\)"
)
_EQUALITIES = re.compile(r'"\w+"\."\w+" = staged\."\w+"( AND "\w+"\."\w+" = staged\."\w+")*')
_COPY = re.compile(
    r"COPY (?P<name>\"\w+\") FROM '(?P<manifest>s3://[^']+)' IAM_ROLE 'arn:[^']+' FORMAT AS PARQUET MANIFEST"
)
_WRITES = re.compile(r'(INSERT INTO|UPDATE|DELETE FROM|MERGE INTO)\s+"?(?P<name>\w+)', re.IGNORECASE)


@dataclass
class Transaction:
    """Where a connection is: `status` as ReadyForQuery says it."""

    status: bytes = b"I"
    statements: int = 0
    locked: bool = False

    def refusal(self, text: str) -> str:
        """Why the statement is refused, or ''."""
        if text.startswith("BEGIN"):
            self.statements, self.locked = 0, False
            return ""
        self.statements += 1
        if text.startswith("LOCK"):
            self.locked = self.status == b"T" and self.statements == 1
            return "" if self.locked else "LOCK is not the transaction's first statement"
        if found := next((rule for rule in _REFUSED if re.search(rule, text, re.IGNORECASE)), ""):
            return f"syntax error at {found}"
        if text.startswith("MERGE"):
            merge = _MERGE.fullmatch(text)
            if merge is None or not _EQUALITIES.fullmatch(merge["on"]):
                return "MERGE takes two clauses, a table as its source, and equality of columns"
        if text.startswith("COPY") and not is_copy(text):
            return "COPY of columnar data takes no such option"
        return self._out_of_place(text)

    def _out_of_place(self, text: str) -> str:
        """That what is written is written under the lock is not Redshift's rule but ours."""
        if self.status == b"T" and _ALONE.match(text):
            return "ALTER TABLE ALTER COLUMN cannot run inside a transaction block"
        written = _WRITES.match(text)
        if written and not written["name"].startswith("stage_") and not self.locked:
            return f"{written['name']} is written without the lock"
        return ""


def setup(outputs: Sequence[WindowedOutput]) -> list[str]:
    """Functions that PostgreSQL lacks, and VARCHAR's limit in bytes."""
    from_hex = "CREATE FUNCTION from_hex(text) RETURNS bytea IMMUTABLE RETURN decode($1, 'hex')"
    limits = []
    for table in tables(outputs):
        texts = [column for column in table.columns if column.type.name == "text"]
        checks = [f"ADD CHECK (octet_length({quote(c.name)}) <= {c.type.max_bytes})" for c in texts]
        if checks:
            limits.append(f"ALTER TABLE {quote(table.name)} {', '.join(checks)}")
    return [from_hex, *limits]


def translated(text: str) -> str:
    """The statement as PostgreSQL takes it; a transaction sees the state at its first statement."""
    if text.startswith("BEGIN"):
        return text.replace("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", 1)
    for pattern, replacement in _TRANSLATIONS:
        text = pattern.sub(replacement, text)
    return text


def is_copy(text: str) -> bool:
    """Whether it is a COPY from a bucket."""
    return _COPY.fullmatch(text) is not None


def copy_parts(text: str) -> tuple[str, str]:
    """The quoted name of its table, and the manifest's URL."""
    parts = _COPY.fullmatch(text)
    assert parts is not None
    return parts["name"], parts["manifest"]
