"""The catalog: external tables over the pipeline's files, one partition per vintage.

A partition's files never change: new ones lie in a new folder, and naming that folder in the catalog is the
commit. Readers see the old files or the new, and no other vintage is touched.
"""

from typing import Any

from pyspark.sql import SparkSession

from batch_jobs.manifest import Input, Kind, Output, partition_of, read_output
from batch_jobs.storage import Storage
from headrace.errors import SchemaMismatch, StorageUnusable
from headrace.schemas.loan_tables import PARTITIONS
from headrace.schemas.tables import Table
from headrace.schemas.targets import hive
from headrace.schemas.targets.spark import quote

DATABASE = "headrace"

RAW_TABLES: dict[Kind, str] = {"origination": "raw_originations", "performance": "raw_performance"}
"""The lines as they came, for whoever wants to see them in SQL."""


class Catalog:
    """Hive's tables of the pipeline; their files lie in `storage`."""

    def __init__(self, session: SparkSession, storage: Storage) -> None:
        self._session = session
        self._storage = storage
        session.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")

    def prepare(self, table: Table) -> None:
        """Create the table when it is missing.

        Raises SchemaMismatch when it is there with other columns.
        """
        if self._exists(table.name):
            self._check(table)
            return
        location = self._storage.uri(f"tables/{table.name}")
        self._session.sql(hive.create_table(table, database=DATABASE, location=location))

    def set_location(self, table: Table, vintage: str, folder: str) -> None:
        """The commit of a partition: from now on its files are those in `folder`, below the root."""
        self._put(table.name, vintage, folder)

    def locations(self, table: Table) -> dict[str, str]:
        """The folder of each vintage's files, below the root; none when there is no such table.

        Raises StorageUnusable when a partition lies elsewhere.
        """
        if not self._exists(table.name):
            return {}
        root = self._storage.uri("")
        found = self._partitions(table.name)
        if strange := [place for place in found.values() if not place.startswith(root)]:
            raise StorageUnusable(
                f"{DATABASE}.{table.name} has files in {strange[0]}, and HEADRACE_BATCH_ROOT is "
                f"{self._storage.root}: name the root they were made in, or another HEADRACE_METASTORE"
            )
        return {vintage: place.removeprefix(root) for vintage, place in sorted(found.items())}

    def outputs(self, table: Table) -> list[Output]:
        """What lies in each partition, by vintage. Raises StorageUnusable."""
        return [read_output(self._storage, folder) for folder in self.locations(table).values()]

    def show_raw(self, entry: Input) -> None:
        """Let the raw table show this input as its vintage's lines.

        A partition is a folder, and a file may lie among others: on a disk, the folder holds a link to it. On
        S3, it is the folder that the file lies in.
        """
        folder = f"raw_lines/{entry.kind}/{entry.vintage}/{entry.sha256[:16]}"
        if not self._storage.link(f"{folder}/lines.txt", entry.path):
            folder = entry.path.rpartition("/")[0]
        name = RAW_TABLES[entry.kind]
        if not self._exists(name):
            location, about = self._storage.uri(f"raw_lines/{entry.kind}"), f"Lines of {entry.kind} files."
            self._session.sql(hive.create_lines(name, about, database=DATABASE, location=location))
        self._put(name, entry.vintage, folder)

    def _put(self, name: str, vintage: str, folder: str) -> None:
        keys = dict(zip((key for key, _ in PARTITIONS), partition_of(vintage), strict=True))
        location = self._storage.uri(folder)
        statement = hive.set_location if vintage in self._partitions(name) else hive.add_partition
        self._session.sql(statement(name, keys, database=DATABASE, location=location))

    def _exists(self, name: str) -> bool:
        return self._session.catalog.tableExists(f"{DATABASE}.{name}")

    def _check(self, table: Table) -> None:
        """Raises SchemaMismatch, which names the first column that differs."""
        described = self._session.sql(f"DESCRIBE {DATABASE}.{quote(table.name)}").collect()
        listed = [(row["col_name"], row["data_type"].upper()) for row in described]
        found = listed[: next((i for i, (name, _) in enumerate(listed) if name.startswith("#")), None)]
        wanted = [(column.name, hive.column_type(column.type)) for column in table.columns]
        wanted += [(name, hive.column_type(type_)) for name, type_ in PARTITIONS]
        if found == wanted:
            return
        pairs = zip([*found, None], [*wanted, None], strict=False)
        place, (there, here) = next((i, pair) for i, pair in enumerate(pairs, 1) if pair[0] != pair[1])
        raise SchemaMismatch(
            f"Hive's {DATABASE}.{table.name} is not of this version: its column {place} is "
            f"{' '.join(there or ('absent',))}, and should be {' '.join(here or ('absent',))}. "
            f"`DROP TABLE {DATABASE}.{table.name}` leaves the files; then convert every vintage anew"
        )

    def _partitions(self, name: str) -> dict[str, str]:
        """The place of each vintage, asked at once: SQL would take a statement for each."""
        java: Any = self._session._jvm  # noqa: SLF001  as the next line
        catalog: Any = self._session._jsparkSession.sharedState().externalCatalog()  # noqa: SLF001
        found = catalog.listPartitions(DATABASE, name, java.scala.Option.empty())
        partitions = {}
        for position in range(found.size()):
            entry = found.apply(position)
            year, quarter = (int(entry.spec().apply(key)) for key, _ in PARTITIONS)
            place = java.org.apache.hadoop.fs.Path(entry.storage().locationUri().get()).toString()
            partitions[f"{year}Q{quarter}" if quarter else str(year)] = place
        return partitions
