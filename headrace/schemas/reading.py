"""Reading bytes that may be anything: as much of an envelope as can be made out, without ever failing."""

import json
import re
from collections.abc import Iterator
from typing import Any

from headrace.schemas.event import is_sequence, is_source

MAX_RECORD_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 64

_TOKEN = re.compile(rb'\\.?|"|[\[{]|[\]}]|[^"\\\[\]{}]+', re.DOTALL)


def is_too_deep(raw: bytes) -> bool:
    """Whether brackets outside texts are nested more than MAX_DEPTH deep, be it JSON or not."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    return any(depth > MAX_DEPTH for depth, _ in _tokens(raw))


def identity(raw: bytes) -> tuple[str | None, int | None, str | None]:
    """The (source, sequence, record type) of a record that may be broken, each None where it is unreadable.

    Only the members of the outermost object are read; what is nested, or cut off inside it, does no harm.
    """
    envelope = _outermost(raw[:MAX_RECORD_BYTES])
    source, sequence, record_type = (envelope.get(name) for name in ("source", "sequence", "type"))
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


def _tokens(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The pieces of `raw` in order, each with its depth; a bracket stands at the depth that it encloses."""
    depth, in_text = 0, False
    for match in _TOKEN.finditer(raw):
        token = match.group()
        if token == b'"':
            in_text = not in_text
        opens = not in_text and token in b"[{"
        closes = not in_text and token in b"]}"
        depth += opens
        yield depth, token
        depth -= closes


def _outermost(raw: bytes) -> dict[str, Any]:
    """The outermost object without what is nested in it, which is read as null; empty if there is none."""
    kept: list[bytes] = []
    nested = False
    for depth, token in _tokens(raw):
        if depth == 1:
            kept.append(token)
        elif depth > 1 and not nested:
            kept.append(b"null")
        nested = depth > 1
    text = b"".join(kept).decode(errors="replace")
    try:
        tree = json.loads(text if text.endswith("}") else text + "}", parse_int=float)
    except ValueError:
        return {}
    return tree if isinstance(tree, dict) else {}
