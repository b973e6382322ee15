"""The batch pipeline's settings."""

from typing import Annotated

import msgspec

from headrace.ops.settings import Setting


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, at the entry point; endpoint, region and credentials of AWS as for any AWS SDK."""

    state: Annotated[str, Setting("HEADRACE_STATE", "folder for what the local stack keeps")] = ".headrace"
    root: Annotated[
        str,
        Setting(
            "HEADRACE_BATCH_ROOT",
            "where raw files, tables, errors and models lie: a folder or s3://…; '' for one in the state",
        ),
    ] = ""
    metastore: Annotated[
        str,
        Setting("HEADRACE_METASTORE", "folder of the Hive metastore; '' for one in the state folder"),
    ] = ""
    mysql_url: Annotated[
        str | None,
        Setting("HEADRACE_MYSQL_URL", "MySQL, mysql://user:password@host:port/database"),
    ] = None
    spark_master: Annotated[str, Setting("HEADRACE_SPARK_MASTER", "Spark's master")] = "local[*]"
    spark_memory: Annotated[str, Setting("HEADRACE_SPARK_MEMORY", "memory of Spark's driver")] = "2g"

    @property
    def root_folder(self) -> str:
        """Where everything that the pipeline makes lies."""
        return self.root or f"{self.state}/batch"

    @property
    def metastore_folder(self) -> str:
        """Where Derby keeps the metastore, on a laptop."""
        return self.metastore or f"{self.state}/metastore"
