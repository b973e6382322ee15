"""Which requests were taken already, by their Idempotency-Key: known for a day, whatever happens meanwhile.

Source: draft-ietf-httpapi-idempotency-key-header. Each record of a request with a key goes into the spool
with the place `taken/all fingerprint time` under the input name `key/<digest of the key>`, so that the key is
on disk exactly when the records are. After a crash in the midst of a request, its place says how many of its
records the spool has; the same request, when it comes again, gives the rest. Keys of complete requests are
moved from the spool's positions into a database beside it, many at a time.
"""

import sqlite3
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from headrace.errors import SpoolUnusable
from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger

_PREFIX = "key/"
_DIGITS = 32  # 128 bits of the key's digest
_FINGERPRINT_DIGITS = 16
_MOVED_TOGETHER = 512
_SETTINGS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    name TEXT PRIMARY KEY, taken INTEGER NOT NULL, records INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (at);
"""


class Known(NamedTuple):
    """A request that has been taken: `taken` of its `records`, at a time in seconds since 1970."""

    taken: int
    records: int
    fingerprint: str
    at: int

    @property
    def is_complete(self) -> bool:
        """Whether all of it is in the spool."""
        return self.taken >= self.records


def name_of(key: str) -> str:
    """The input name of a key's requests."""
    return _PREFIX + sha256(key.encode()).hexdigest()[:_DIGITS]


def fingerprint_of(*parts: str | bytes) -> str:
    """Tells the content of a request from another's."""
    digest = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()[:_FINGERPRINT_DIGITS]


def places(records: int, fingerprint: str, at: datetime, *, skip: int) -> list[bytes]:
    """The place of each record after the first `skip`."""
    end = b"/%d %b %d" % (records, fingerprint.encode(), int(at.timestamp()))
    return [b"%d%b" % (taken, end) for taken in range(skip + 1, records + 1)]


class Requests:
    """All known requests. `find` is called by one thread, all else by another."""

    def __init__(self, path: Path, positions: Mapping[str, str], clock: Clock, keep_seconds: float) -> None:
        """`positions` are those of the spool. Raises SpoolUnusable where the database is damaged."""
        self._path = path
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._recent = {name: _known(place) for name, place in positions.items() if name.startswith(_PREFIX)}
        self._lock = threading.Lock()
        self._writing, self._reading = _connect(path), _connect(path)
        try:
            for connection in (self._writing, self._reading):
                connection.executescript(_SETTINGS)
            self._writing.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self.close()
            raise SpoolUnusable(
                f"{path}: {error}. Mend the disk, or move the file away: requests of the last day that come "
                "again are then taken again"
            ) from error
        self._obsolete = list(self._move())

    def find(self, name: str) -> Known | None:
        """What is known of a request. Raises SpoolUnusable."""
        with self._lock:
            found = self._recent.get(name)
        if found is None:
            try:
                rows = self._reading.execute(
                    "SELECT taken, records, fingerprint, at FROM requests WHERE name = ?", (name,)
                ).fetchall()
            except sqlite3.Error as error:
                raise SpoolUnusable(f"{self._path}: {error}") from error
            found = Known(*rows[0]) if rows else None
        return found if found is not None and found.at > self._expired_before() else None

    def committed(self, last_places: Iterable[tuple[str, bytes]]) -> list[str]:
        """The spool has these (name, last place). Returns names that it need not keep any more."""
        fresh = {name: _known(place.decode()) for name, place in last_places if name.startswith(_PREFIX)}
        with self._lock:
            self._recent |= fresh
        if len(self._recent) >= _MOVED_TOGETHER:
            self._obsolete += self._move()
        obsolete, self._obsolete = self._obsolete, []
        return obsolete

    def close(self) -> None:
        """Close the database; it may be called twice."""
        self._reading.close()
        self._writing.close()

    def _move(self) -> Iterable[str]:
        """Complete requests into the database, durably, and expired ones out of it; the names moved."""
        expired = self._expired_before()
        done = {name: it for name, it in self._recent.items() if it.is_complete or it.at <= expired}
        rows = [(name, *it) for name, it in done.items() if it.at > expired]
        try:
            with self._writing:
                self._writing.executemany("INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?)", rows)
                self._writing.execute("DELETE FROM requests WHERE at <= ?", (expired,))
        except sqlite3.Error as error:  # a full disk, say: they stay where they are
            get_logger().warning("idempotency keys stay in the spool for now", problem=str(error))
            return ()
        with self._lock:
            for name in done:
                del self._recent[name]
        return done

    def _expired_before(self) -> int:
        return int(self._clock.now().timestamp() - self._keep_seconds)


def _known(place: str) -> Known:
    counts, fingerprint, at = place.split(" ")
    taken, _, records = counts.partition("/")
    return Known(int(taken), int(records), fingerprint, int(at))


def _connect(path: Path) -> sqlite3.Connection:
    """Each connection is used by one thread at a time, and made by another."""
    try:
        return sqlite3.connect(path, check_same_thread=False)
    except sqlite3.Error as error:
        raise SpoolUnusable(f"{path}: {error}") from error
