"""What every command of `headrace` reads from the environment."""

from typing import Annotated

from msgspec import Struct

from headrace.ops.settings import Setting


class CommandSettings(Struct, frozen=True, kw_only=True):
    """Where the local stack's state is, and which warehouse to ask."""

    state: Annotated[str, Setting("HEADRACE_STATE", "the folder of the local stack's state")] = ".headrace"
    warehouse_url: Annotated[
        str | None, Setting("HEADRACE_WAREHOUSE_URL", "the warehouse; without it, the local stack's")
    ] = None
