"""Redshift: rows come in by COPY of the Parquet files that a manifest names. Text only, so far.

Sources: Amazon Redshift Database Developer Guide, "COPY from columnar data formats" (a manifest; no MAXERROR,
no REGION), "CREATE TABLE" (LIKE) and "UNLOAD".
"""

from headrace.schemas.tables import Table
from headrace.schemas.targets.redshift import create_table
from headrace.schemas.targets.sql import quote


def create(table: Table) -> list[str]:
    """CREATE TABLE with its physical design, if missing."""
    return [create_table(table)]


def stage(table: Table, name: str, manifest: str, iam_role: str) -> list[str]:
    """Create the temporary table `name` like `table` and COPY exactly the files that `manifest` names.

    Temporary tables outlive the transaction, so a left-over one is dropped first. `manifest` is an S3 URL,
    `iam_role` an ARN.
    """
    staged = quote(name)
    return [
        f"DROP TABLE IF EXISTS {staged}",
        f"CREATE TEMP TABLE {staged} (LIKE {quote(table.name)})",
        f"COPY {staged} FROM {_literal(manifest)} IAM_ROLE {_literal(iam_role)} FORMAT AS PARQUET MANIFEST",
    ]


def unload(query: str, folder: str, iam_role: str) -> str:
    """UNLOAD the query's rows as Parquet files and a manifest that counts them.

    `folder` is an S3 URL that ends in `/`. With neither ALLOWOVERWRITE, which leaves files of an older unload
    between the new ones, nor CLEANPATH, which deletes them: a folder that is not empty is refused.
    """
    return (
        f"UNLOAD ({_literal(query)}) TO {_literal(folder)} IAM_ROLE {_literal(iam_role)} "
        "FORMAT AS PARQUET MANIFEST VERBOSE"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
