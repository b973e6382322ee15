"""Records that bring their own source and number: they pass through a spool that gives them none."""

import msgspec

FOLDER = "passing"
"""Of their spool, in the input's own."""


class _Borne(msgspec.Struct):
    source: str
    sequence: str


_decode = msgspec.json.Decoder(_Borne).decode


def borne(record: bytes) -> tuple[str, int]:
    """The source and the number that a good record bears."""
    found = _decode(record)
    return found.source, int(found.sequence)


def as_it_is(line: bytes, _source: str, _number: int) -> bytes:
    """The seal of records that were judged when they came."""
    return line
