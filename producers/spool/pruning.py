"""Which files in quarantine are old, and named by no record that still has to be sent."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from producers.spool.export import Wanted, export
from producers.spool.spool import QUARANTINE

_NAME = re.compile(rb"([0-9a-f]{64})\.raw")


def prunable(spool: Path, before: datetime) -> Iterator[Path]:
    """Files that were last written before that instant. Raises SpoolUnusable."""
    old = [path for path in sorted((spool / QUARANTINE).glob("*.raw")) if _written(path) < before]
    named = _named(spool) if old else set()
    return (path for path in old if path.stem not in named)


def _named(spool: Path) -> set[str]:
    """Names in records that wait, and in what damage left of them."""
    return {name.decode() for exported in export(spool, Wanted()) for name in _NAME.findall(exported.record)}


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
