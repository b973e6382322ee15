"""What every command of `headrace` reads from the environment."""

from typing import Annotated

from msgspec import Meta, Struct

from headrace.ops.settings import Setting


class CommandSettings(Struct, frozen=True, kw_only=True):
    """Where the local stack's state is, and which warehouse and archive to ask."""

    state: Annotated[str, Setting("HEADRACE_STATE", "the folder of the local stack's state")] = ".headrace"
    warehouse_url: Annotated[
        str | None,
        Setting(
            "HEADRACE_WAREHOUSE_URL",
            "the warehouse: postgresql://…, redshift://… or redshift-data://…; without it, the local stack's",
        ),
    ] = None
    archive_bucket: Annotated[
        str | None, Setting("HEADRACE_ARCHIVE_BUCKET", "the archive's bucket; without it, the local stack's")
    ] = None
    archive_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Setting(
            "HEADRACE_ARCHIVE_SECONDS",
            "seconds until the archive must hold a record; without it, as the delivery is set up",
        ),
    ] = None
