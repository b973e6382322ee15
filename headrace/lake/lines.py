"""The lines of an archive object as far as the proof needs them: who numbered a record, and its number."""

from typing import Annotated

import msgspec

from headrace.errors import ArchiveRefused


class _Line(msgspec.Struct, frozen=True, gc=False):
    """What the transform adds to a record's own fields, which are skipped."""

    source: str = msgspec.field(name="_source")
    sequence: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = msgspec.field(name="_sequence")


_DECODER = msgspec.json.Decoder(_Line)


def numbers_of(data: bytes, key: str) -> dict[str, list[int]]:
    """Per source the numbers in an object of the prefix `events/`, in the order of its lines, with repeats.

    Types that carry no number of their own have none. Raises ArchiveRefused, which names `key`, when a line
    is none of the archive's.
    """
    found: dict[str, list[int]] = {}
    try:
        for line in _DECODER.decode_lines(data):
            if line.sequence is not None:
                found.setdefault(line.source, []).append(line.sequence)
    except msgspec.MsgspecError as error:
        raise ArchiveRefused(f"{key} holds what is no line of the archive: {error}") from error
    return found
