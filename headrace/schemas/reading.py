"""Reading bytes that may be anything: as much of an envelope as can be made out, without ever failing."""

import json
import re
from collections.abc import Iterator
from typing import Any

from headrace.schemas.event import MAX_SOURCE_BYTES, is_sequence, is_source

MAX_RECORD_BYTES = 1024 * 1024
MAX_DEPTH = 64

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{\]}]|[^"\[\]{}]+', re.DOTALL)
"""A text (one without an end goes to the end of the bytes, which keeps this linear), a bracket, or a run."""


def is_too_deep(raw: bytes) -> bool:
    """Whether brackets outside texts are nested more than MAX_DEPTH deep, be it JSON or not."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    return any(depth > MAX_DEPTH for depth, _ in _tokens(raw))


def identity(raw: bytes) -> tuple[str | None, int | None, str | None]:
    """The (source, sequence, record type) of a record that may be broken, each None where it is unreadable.

    Only the members of the outermost object are read; what is nested, or cut off after it, does no harm.
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
    """The texts, brackets and other runs of `raw`, each with the depth it stands at (a bracket: the outer)."""
    depth = 0
    for match in _TOKEN.finditer(raw):
        token = match.group()
        if token in b"]}":
            depth -= 1
        yield depth, token
        if token in b"[{":
            depth += 1


def _outermost(raw: bytes) -> dict[str, Any]:
    """The outermost object with each nested value as null; empty where it is none."""
    kept = []
    for depth, token in _tokens(raw):
        if depth == 0 and token in b"[{":
            kept.append(token)
        elif depth == 1:
            kept.append(b"null" if token in b"[{" else b"" if token in b"]}" else token)
    try:
        tree = json.loads((b"".join(kept) + b"}").decode(errors="replace"))
    except ValueError:
        return {}
    return tree if isinstance(tree, dict) else {}
