"""The ledger's ranges in the warehouse: read together with their version, written as the difference."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from headrace.warehouse import row_changes
from headrace.warehouse.ledger import Ledger, SourceLedger
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.session import Cursor, Session
from headrace.warehouse.system_tables import LEDGER_RANGES, Fate

_SOURCES_PER_QUERY = 1_000
_SOURCES_KEPT = 10_000

Row = tuple[str, str, int, int]


class Basis(NamedTuple):
    """The state of the ledger that a batch is split by."""

    version: int
    ledger: Ledger


class LedgerStore:
    """Reads the ranges of a batch's sources; what it has read stays valid until the version moves."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._version = -1
        self._known: dict[str, SourceLedger] = {}

    def read(self, sources: Iterable[str], version: int | None = None) -> Basis:
        """The ledger of these sources, at one version.

        `version` is what the caller has just seen the ledger at: what is known of it is not asked for again.
        """
        wanted = set(sources)
        if version is None or version != self._version or not wanted <= self._known.keys():
            with self._session.snapshot() as cursor:
                return self.read_in(cursor, wanted)
        return self._basis(wanted)

    def read_in(self, cursor: Cursor, sources: Iterable[str]) -> Basis:
        """The same, asked for in the transaction that the cursor is in."""
        wanted = set(sources)
        cursor.execute("SELECT MAX(version) FROM ledger_version")
        (version,) = cast("tuple[int]", cursor.fetchone())
        if version != self._version or len(self._known) > _SOURCES_KEPT:
            self._known = {}
        self._version = version
        self._known |= read_sources(cursor, wanted - self._known.keys())
        return self._basis(wanted)

    def moved(self, version: int, changed: Ledger) -> None:
        """Remember the state that this process itself has just committed."""
        self._version = version
        self._known |= changed

    def _basis(self, wanted: set[str]) -> Basis:
        return Basis(self._version, {source: self._known[source] for source in wanted})


def read_sources(cursor: Cursor, sources: Iterable[str]) -> dict[str, SourceLedger]:
    """The ledger of each of these sources, empty for an unknown one."""
    names = sorted(sources)
    found: dict[str, SourceLedger] = {}
    for start in range(0, len(names), _SOURCES_PER_QUERY):
        some = names[start : start + _SOURCES_PER_QUERY]
        places = ", ".join(["%s"] * len(some))
        query = (
            f"SELECT source, fate, first_number, last_number FROM ledger_ranges WHERE source IN ({places})"  # noqa: S608  placeholders only
        )
        cursor.execute(query, some)
        found |= {name: SourceLedger() for name in some} | collect(cursor)
    return found


def collect(rows: Iterable[Sequence[object]]) -> dict[str, SourceLedger]:
    """The rows (source, fate, first, last) of a query as one ledger per source."""
    bounds: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for source, fate, first, last in rows:
        bounds.setdefault(str(source), {}).setdefault(str(fate), []).append((first, last))  # type: ignore[arg-type]
    return {
        source: SourceLedger(**{fate: RangeSet.of(*pairs) for fate, pairs in by_fate.items()})
        for source, by_fate in bounds.items()
    }


def write_changes(cursor: Cursor, before: Ledger, after: Mapping[str, SourceLedger]) -> bool:
    """Bring the ranges from one state to the other, and the version with them; False when nothing changed."""
    gone: list[Row] = []
    new: list[Row] = []
    for source, state in after.items():
        known = before.get(source, SourceLedger()).ranges()
        for fate, ranges in state.ranges().items():
            gone += _rows(source, fate, known[fate], unless_in=ranges)
            new += _rows(source, fate, ranges, unless_in=known[fate])
    if not gone and not new:
        return False
    row_changes.delete(cursor, LEDGER_RANGES, gone)
    row_changes.insert(cursor, LEDGER_RANGES, new)
    cursor.execute("UPDATE ledger_version SET version = version + 1")
    return True


def _rows(source: str, fate: Fate, ranges: RangeSet, *, unless_in: RangeSet) -> list[Row]:
    return [(source, fate.value, first, last) for first, last in ranges.unlike(unless_in).pairs()]
