"""The archive of the stream `events`: which objects it has, and which numbers they hold."""

from collections.abc import Iterator

from headrace.lake.lines import numbers_of
from headrace.lake.objects import Lake
from headrace.schemas.archive import DELIVERIES, TRANSFORM_BUFFER_SECONDS

_MARGIN_SECONDS = 60
"""For clocks that differ, and a call of the transform that was made again."""

_DELIVERY = DELIVERIES["events"]
_PREFIX = _DELIVERY.prefix.partition("type=")[0]

DUE_SECONDS = _DELIVERY.buffer_seconds * 1.5 + TRANSFORM_BUFFER_SECONDS + _MARGIN_SECONDS
"""By when after its arrival in the stream a record lies in the archive, while the delivery is well."""


class EventsArchive:
    """Reads the bucket's objects below `events/`; threads may share it. Raises what `Lake` raises."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def objects(self) -> Iterator[tuple[str, str]]:
        """Key and ETag of every object."""
        return ((found.key, found.etag) for found in self._lake.list(_PREFIX))

    def numbers(self, key: str) -> dict[str, list[int]]:
        """Per source the numbers that an object holds, with repeats."""
        return numbers_of(self._lake.read(key), key)
