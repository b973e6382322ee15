"""The windowed outputs of `wiki_edit.v1`."""

from datetime import timedelta

from headrace.schemas.outputs import Count, CountIf, Derived, Distinct, Key, Sum, WindowedOutput
from headrace.schemas.records.wiki_edit import WIKI_EDIT

WIKI_EDITS_1M = WindowedOutput(
    name="wiki_edits_1m",
    record_type=WIKI_EDIT,
    every=timedelta(minutes=1),
    keys=(Key("wiki", of="wiki"), Key("kind", of="kind")),
    measures=(
        Count("edits"),
        CountIf("bot_edits", Derived("bot", bool)),
        CountIf("minor_edits", Derived("minor", bool)),
        Distinct("editors", "user"),
        Sum("net_bytes", "length_delta"),
    ),
    description="Changes, by bots and minor ones apart, distinct editors, and bytes added less removed, per "
    "minute by wiki and kind.",
)
