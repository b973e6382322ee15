"""The statements that only Redshift has.

Sources: Amazon Redshift Database Developer Guide, "COPY from columnar data formats" (a manifest; no MAXERROR,
no REGION), "Loading a column of the VARBYTE data type" (Parquet), "CREATE TABLE" (LIKE) and "UNLOAD".
"""
# ruff: noqa: S608  every name in the text comes from a declaration

from collections.abc import Sequence

from headrace.schemas.tables import Column, Table
from headrace.schemas.targets.redshift import type_name
from headrace.schemas.targets.sql import quote


def drop_stages(names: Sequence[str]) -> str:
    """Drop temporary tables of earlier transactions, which they outlive."""
    return f"DROP TABLE IF EXISTS {', '.join(map(quote, names))}"


def create_stage(table: Table, name: str) -> str:
    """Create the temporary table `name` like `table`."""
    return f"CREATE TEMP TABLE {quote(name)} (LIKE {quote(table.name)})"


def stage(table: Table, name: str, manifest: str, iam_role: str) -> list[str]:
    """Create the temporary table `name` like `table` and COPY exactly the files that `manifest` names.

    COPY reads Parquet as Spectrum does, which has no time with a zone: a table with instants is loaded into
    one with plain times in UTC, and given the zone from there. `manifest` is an S3 URL, `iam_role` an ARN.
    """
    if not any(column.type.name == "timestamp" for column in table.columns):
        return [create_stage(table, name), _copy(name, manifest, iam_role)]
    plain = quote(f"{name}__plain")
    columns = ", ".join(f"{quote(column.name)} {_plain_type(column)}" for column in table.columns)
    values = ", ".join(map(_with_zone, table.columns))
    return [
        f"CREATE TEMP TABLE {plain} ({columns})",
        _copy(f"{name}__plain", manifest, iam_role),
        create_stage(table, name),
        f"INSERT INTO {quote(name)} SELECT {values} FROM {plain}",
        f"DROP TABLE {plain}",
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


def _copy(name: str, manifest: str, iam_role: str) -> str:
    return (
        f"COPY {quote(name)} FROM {_literal(manifest)} IAM_ROLE {_literal(iam_role)} "
        "FORMAT AS PARQUET MANIFEST"
    )


def _plain_type(column: Column) -> str:
    return "TIMESTAMP" if column.type.name == "timestamp" else type_name(column.type)


def _with_zone(column: Column) -> str:
    name = quote(column.name)
    return f"{name} AT TIME ZONE 'UTC'" if column.type.name == "timestamp" else name


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
