"""The archive's objects as the way back reads them: which there are, and their lines."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Protocol

from headrace.schemas.archive import DELIVERIES

_DAY = re.compile(r"(\d{4})[-/](\d{2})[-/](\d{2})/")


class Listed(Protocol):
    """An object of the bucket."""

    @property
    def key(self) -> str:
        """Its name."""
        ...


class Objects(Protocol):
    """The calls that are made; `headrace.lake.objects.Lake` is one.

    Each raises ArchiveUnavailable or ArchiveRefused.
    """

    def list(self, prefix: str) -> Iterable[Listed]:
        """The objects below a prefix."""
        ...

    def read(self, key: str) -> bytes:
        """The bytes of an object, unpacked."""
        ...


def reject_keys(lake: Objects, since: datetime | None) -> Iterator[str]:
    """The objects of the error archive; those of days before `since` are left out."""
    yield from _keys(lake, _beginning(DELIVERIES["errors"].prefix), since)


def failed_keys(lake: Objects, since: datetime | None) -> Iterator[tuple[str, str]]:
    """What delivery failed on, as (declared stream, key); days before `since` are left out.

    Whatever the service calls the kind of failure: it writes `processing-failed`, its older documents
    `processing_failed`, and there are more (`format-conversion-failed`, `activePartitionExceeded`).
    """
    for stream, delivery in DELIVERIES.items():
        for key in _keys(lake, _beginning(delivery.error_prefix), since):
            yield stream, key


def lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of an object that are not empty, each with its place from 0."""
    for place, line in enumerate(body.split(b"\n")):
        if line.strip():
            yield place, line


def _keys(lake: Objects, prefix: str, since: datetime | None) -> Iterator[str]:
    """A record is delivered on the day on which it arrived, or later."""
    for listed in lake.list(prefix):
        day = _DAY.search(listed.key)
        if since is None or day is None or _date(day) is None or _date(day) >= since.date():  # type: ignore[operator]
            yield listed.key


def _date(found: re.Match[str]) -> date | None:
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        return None


def _beginning(prefix: str) -> str:
    """The part of a delivery's prefix that is not an expression."""
    return prefix.partition("!{")[0]
