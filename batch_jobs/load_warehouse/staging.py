"""How the files of a manifest come into a staging table, on each engine."""

from collections.abc import Callable, Iterator

import pyarrow as pa

from batch_jobs.load_warehouse import copy_manifest, data_files
from batch_jobs.storage import Storage
from headrace.schemas.tables import Table
from headrace.warehouse.engines import redshift_sql
from headrace.warehouse.session import Cursor

Stage = Callable[[Cursor, Table, str, str], None]
"""Given table, name of the staging table and path of the manifest; inside the load's transaction."""

Advance = Callable[[int], None]
"""Told of rows as they are staged."""


def quiet(_rows: int) -> None:
    """Told, and says nothing."""


def streamed(storage: Storage, advance: Advance = quiet) -> Stage:
    """PostgreSQL: this process reads the files and streams them into the transaction."""

    def rows(table: Table, manifest: str) -> Iterator[pa.Table]:
        for path in copy_manifest.paths(storage, manifest):
            for part in data_files.parts(storage, table, path):
                yield part
                advance(part.num_rows)

    def stage(cursor: Cursor, table: Table, name: str, manifest: str) -> None:
        cursor.stage(table, name, rows(table, manifest))

    return stage


def copied(storage: Storage, iam_role: str) -> Stage:
    """Redshift: its nodes read the files from S3, under the role."""

    def stage(cursor: Cursor, table: Table, name: str, manifest: str) -> None:
        cursor.execute(redshift_sql.drop_stages([name]))
        for statement in redshift_sql.stage(table, name, storage.uri(manifest), iam_role):
            cursor.execute(statement)

    return stage
