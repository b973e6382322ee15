"""Reading bytes that may be anything: as much of an envelope as can be made out, without ever failing."""

import json
import re
from array import array
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import msgspec
from msgspec import Struct

from headrace.schemas.event import is_sequence, is_source

MAX_RECORD_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 64

_BETWEEN = rb'(?:[^"\\\[\]{}]+|"(?:[^"\\]+|\\.)*+(?:"|\\?\Z)|\\.?)++'
"""Texts, closed or not, and what else stands between two brackets; a backslash is an escape everywhere."""

_NO_BRACKETS = re.compile(_BETWEEN, re.DOTALL)
_PIECES = re.compile(_BETWEEN + rb"|[\[\]{}]", re.DOTALL)
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # 1 and -1, as signed bytes


class _Envelope(Struct, gc=False):
    source: Any = None
    sequence: Any = None
    type: Any = None


_decode = msgspec.json.Decoder(_Envelope).decode


def is_too_deep(raw: bytes) -> bool:
    """Whether brackets outside texts are nested more than MAX_DEPTH deep, be it JSON or not."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    steps = array("b", _NO_BRACKETS.sub(b"", raw).translate(_STEPS))
    return max(accumulate(steps), default=0) > MAX_DEPTH


def identity(raw: bytes) -> tuple[str | None, int | None, str | None]:
    """The (source, sequence, record type) of a record that may be broken, each None where it is unreadable.

    Only the members of the outermost object are read; what is nested, or cut off inside it, does no harm.
    """
    envelope = _envelope(raw)
    source, sequence, record_type = envelope.source, envelope.sequence, envelope.type
    return (
        source if isinstance(source, str) and is_source(source) and "\ufffd" not in source else None,
        int(sequence) if isinstance(sequence, str) and is_sequence(sequence) else None,
        record_type if isinstance(record_type, str) and is_source(record_type) else None,
    )


def texts(tree: Any, path: str = "$") -> Iterator[tuple[str, str]]:  # noqa: ANN401  any JSON
    """Every text in a JSON tree, keys too, with its path."""
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from texts(item, f"{path}[{index}]")
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield f"{path}.{key}", key
            yield from texts(value, f"{path}.{key}")


def _envelope(raw: bytes) -> _Envelope:
    if len(raw) <= MAX_RECORD_BYTES:
        try:
            return _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # no whole JSON object: it is pieced together
    members = _outermost(raw[:MAX_RECORD_BYTES])
    return _Envelope(members.get("source"), members.get("sequence"), members.get("type"))


def _outermost(raw: bytes) -> dict[str, Any]:
    """The outermost object without what is nested in it, which is read as null; empty if there is none."""
    kept: list[bytes] = []
    depth, nested = 0, False
    for piece in _PIECES.findall(raw):
        if piece in _OPENING:
            depth += 1
            if depth == 1:
                if kept or piece == b"[":
                    return {}  # a second value, or an array
                kept.append(piece)
            elif depth > 1 and not nested:
                kept.append(b"null")
                nested = True
            continue
        if depth == 1:
            kept.append(piece)
            nested = False
        if piece in _CLOSING:
            depth -= 1
    text = b"".join(kept).decode(errors="replace")
    try:
        tree = json.loads(text if text.endswith("}") else text + "}", parse_int=float)
    except ValueError:
        return {}
    return tree if isinstance(tree, dict) else {}
