"""What a demo shows beside the windows: the objects of the archive, and the rejects by code."""

from collections.abc import Iterable

import psycopg
from rich.table import Table
from rich.text import Text

from cli.consoles import grid
from headrace.lake.objects import ObjectInfo


def objects_table(bucket: str, objects: Iterable[ObjectInfo]) -> Table:
    """The archive's folders, each with how many objects of how many bytes it holds."""
    folders: dict[str, tuple[int, int]] = {}
    for found in objects:
        folder = found.key.rpartition("/")[0]
        count, size = folders.get(folder, (0, 0))
        folders[folder] = count + 1, size + found.size
    drawn = grid(f"archive, s3://{bucket}")
    drawn.add_column("folder", overflow="fold")
    drawn.add_column("objects", justify="right")
    drawn.add_column("bytes", justify="right")
    for folder, (count, size) in sorted(folders.items()):
        drawn.add_row(Text(folder), f"{count:,}", f"{size:,}")
    return drawn


def rejects_table(connection: psycopg.Connection) -> Table:
    """The rejects per code and stage; `also on errors`: how many of them the stream `errors` brought too."""
    drawn = grid("rejects")
    for name in ("code", "stage"):
        drawn.add_column(name)
    for name in ("rejects", "also on errors"):
        drawn.add_column(name, justify="right")
    for code, stage, rejects, on_errors in connection.execute(
        "SELECT code, stage, COUNT(*), COUNT(*) FILTER (WHERE seen_on_errors > 0) FROM rejects"
        " GROUP BY code, stage ORDER BY COUNT(*) DESC, code, stage"
    ):
        drawn.add_row(Text(code), Text(stage), f"{rejects:,}", f"{on_errors:,}")
    return drawn
