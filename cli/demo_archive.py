"""What a demo shows beside the windows: the objects of the archive, and the rejects by code."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from cli.consoles import grid
from headrace.lake.objects import ObjectInfo
from headrace.warehouse.reader import Rows, Statement


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


REJECTS = Statement(
    "SELECT code, stage, COUNT(*), COUNT(*) FILTER (WHERE seen_on_errors > 0) FROM rejects"
    " GROUP BY code, stage ORDER BY COUNT(*) DESC, code, stage"
)


def rejects_table(found: Rows) -> Table:
    """The rejects per code and stage; `also on errors`: how many of them the stream `errors` brought too."""
    drawn = grid("rejects")
    for name in ("code", "stage"):
        drawn.add_column(name)
    for name in ("rejects", "also on errors"):
        drawn.add_column(name, justify="right")
    for code, stage, rejects, on_errors in found.rows:
        drawn.add_row(Text(str(code)), Text(str(stage)), f"{rejects:,}", f"{on_errors:,}")
    return drawn
