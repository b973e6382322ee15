"""Spools that nobody sends: left in the producer's folder by an input that was renamed or removed."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from headrace.errors import SpoolUnusable
from headrace.ops import metrics
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger
from producers.configuration import Configuration
from producers.passing import FOLDER as PASSING
from producers.spool.inspection import inspect, lives

_LOOK_SECONDS = 60.0
_PUSHED = "http"  # the one kind of source with a second spool, for records that pass


class Orphan(msgspec.Struct, frozen=True):
    """A spool with records that wait for nobody; `told` says it to an operator, with what to do."""

    directory: str
    waiting: int
    told: str


def orphans(configuration: Configuration) -> list[Orphan]:
    """Those in the producer's folder that no input of its settings owns, and no other process holds."""
    root = Path(configuration.producer.spool)
    owned = {it.spool.resolve() for it in configuration.inputs}
    owned |= {(it.spool / PASSING).resolve() for it in configuration.inputs if it.settings.source == _PUSHED}
    candidates = (path for path in _folders(root) if path.resolve() not in owned)
    return [found for path in candidates if (found := _orphan(path, root)) is not None]


class OrphanWatch:
    """Looks every minute, so that what has been seen to is no longer shown; `found` is what it saw last."""

    def __init__(self, clock: Clock) -> None:
        self.found: list[Orphan] = []
        self._clock = clock
        self._next_at = float("-inf")
        self._warned: set[str] = set()
        self._log = get_logger()

    def look(self, configuration: Configuration) -> None:
        """Look, if it is time; warn of each once."""
        now = self._clock.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + _LOOK_SECONDS
        self.found = orphans(configuration)
        metrics.ORPHANED_RECORDS.set(sum(it.waiting for it in self.found))
        for it in self.found:
            if it.directory not in self._warned:
                self._log.warning(it.told)
        self._warned = {it.directory for it in self.found}

    def look_anew(self) -> None:
        """An input has come or gone: look at the next call, and warn of all."""
        self._next_at = float("-inf")
        self._warned.clear()


def _folders(root: Path) -> Iterator[Path]:
    """Where spools of a producer may lie: the folder itself, one of each input, and what passes in them."""
    yield root
    try:
        inside = sorted(path for path in root.iterdir() if path.is_dir())
    except OSError:
        return
    for path in inside:
        yield from (path, path / PASSING)


def _orphan(spool: Path, root: Path) -> Orphan | None:
    try:
        if not lives(spool):
            return None
    except OSError:  # no folder, or none that we may read: no producer of this user's has written it
        return None
    remedy = (
        f"{_heir(spool, root)} and they are sent, or write them out with `headrace spool export {spool}` and "
        "remove the folder"
    )
    try:
        report = inspect(spool)
    except SpoolUnusable as error:
        return Orphan(str(spool), 0, f"no input sends spool {spool}, which cannot be read: {error}; {remedy}")
    if not report.waiting or report.held_by is not None:
        return None
    told = f"no input sends the {report.waiting:,} records in spool {spool}: {remedy}"
    return Orphan(str(spool), report.waiting, told)


def _heir(spool: Path, root: Path) -> str:
    """What would send them."""
    if spool in (root, root / PASSING):
        pushed = f" {_PUSHED}" if spool != root else ""
        return f"start a producer{pushed} without a settings file on {root}, as before,"
    if spool.parent == root:
        return f"name an input of the settings file {spool.name}"
    return f"name an {_PUSHED} input of the settings file {spool.parent.name}"
