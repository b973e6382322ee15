"""Made-up records, for load tests: as many and as large as told, the same again from the same seed.

Only the event times differ from run to run: they are those of the reading. A restart goes on with the record
after the last one that was committed.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from headrace.errors import SettingsError
from headrace.ops.clock import Clock
from headrace.ops.settings import Setting
from producers.reading.source import Chunk, Opening, Source

FORMAT = "ndjson"

_INPUT = "synthetic"
_LINES_PER_CHUNK = 1_000
_ODD = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: multiples of it, shifted, look drawn at random
_LONGEST_PADDING = {"user_signup.v1": 2_048, "web_access.v1": 32_768}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is made, and how much of it."""

    records: Annotated[
        Literal["user_signup.v1", "web_access.v1"],
        Setting("HEADRACE_SYNTHETIC_RECORDS", "the type: user_signup.v1 is keyed, web_access.v1 is not"),
    ] = "user_signup.v1"
    seed: Annotated[int, Setting("HEADRACE_SYNTHETIC_SEED", "another number, other records")] = 0
    count: Annotated[
        Annotated[int, msgspec.Meta(ge=0)] | None,
        Setting("HEADRACE_SYNTHETIC_COUNT", "how many records; without end by default"),
    ] = None
    users: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=1 << 32)],
        Setting("HEADRACE_SYNTHETIC_USERS", "how many different users, or clients, they are about"),
    ] = 10_000
    line_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=0)],
        Setting("HEADRACE_SYNTHETIC_LINE_BYTES", "the least length of a line; a long text fills it up"),
    ] = 0


class SyntheticSource(Source):
    """Lines of NDJSON that name their type."""

    def __init__(self, settings: Settings, clock: Clock, begin: int) -> None:
        """`begin` is how many records there have been."""
        self._settings = settings
        self._clock = clock
        self._next = begin
        blank = len(_line(settings, 0, "", clock.now()))
        self._padding = "x" * (settings.line_bytes - blank)
        if len(self._padding) > _LONGEST_PADDING[settings.records]:
            longest = blank + _LONGEST_PADDING[settings.records]
            raise SettingsError(f"line_bytes: a line of {settings.records} has {longest} bytes at most")

    def read(self) -> Chunk | None:
        """A thousand records."""
        count = self._settings.count
        end = self._next + _LINES_PER_CHUNK
        numbers = range(self._next, end if count is None else min(end, count))
        if not numbers:
            return None
        now = self._clock.now()
        lines = [_line(self._settings, number, self._padding, now) for number in numbers]
        self._next = numbers.stop
        return Chunk(_INPUT, lines, [b"%d" % (number + 1) for number in numbers])

    def close(self) -> None:
        """There is nothing to let go of."""


def open_source(settings: Settings, opening: Opening) -> Source:
    """The records after those that are committed. Raises SettingsError."""
    return SyntheticSource(settings, opening.clock, int(opening.places.get(_INPUT, "0")))


def _line(settings: Settings, number: int, padding: str, time: datetime) -> bytes:
    drawn = (number + settings.seed * 1_000_003 + 1) * _ODD >> 24 & 0xFFFF_FFFF
    user = drawn % settings.users
    if settings.records == "user_signup.v1":
        data = (
            f'"user_id":"{user:08x}-0000-4000-8000-{user:012x}","country":"Utopia","picture_url":"{padding}"'
        )
    else:
        address = f"10.{user >> 16 & 255}.{user >> 8 & 255}.{user & 255}"
        data = (
            f'"client_address":"{address}","method":"GET","path":"/{drawn & 1023}","status":200,'
            f'"bytes":{drawn & 65535},"user_agent":"{padding}"'
        )
    return f'{{"type":"{settings.records}","time":"{time:%Y-%m-%dT%H:%M:%S.%fZ}","data":{{{data}}}}}'.encode()
