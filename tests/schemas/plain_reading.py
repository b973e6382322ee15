"""What `headrace.schemas.reading` says, byte by byte, however slowly: the oracle of its tests."""

import json
from typing import Any


def depths(raw: bytes) -> list[int]:
    """The depth of each byte; a bracket stands at the depth that it encloses."""
    found = []
    depth = 0
    in_text = escaped = False
    for byte in raw:
        is_bracket = not in_text and not escaped
        depth += is_bracket and byte in b"[{"
        found.append(depth)
        depth -= is_bracket and byte in b"]}"
        in_text ^= not escaped and byte == ord('"')
        escaped = not escaped and byte == ord("\\")
    return found


def outermost(raw: bytes) -> dict[str, Any]:
    """The outermost object; a stretch of bytes that are nested in it counts as one null."""
    kept = b""
    before = 0
    for byte, depth in zip(raw, depths(raw), strict=True):
        if depth == 1:
            kept += bytes([byte])
        elif depth > 1 and before <= 1:
            kept += b"null"
        before = depth
    text = kept.decode(errors="replace")
    for end in ("", "}"):
        try:
            tree = json.loads(text + end, parse_int=float)
        except ValueError:
            continue
        return tree if isinstance(tree, dict) else {}
    return {}


def identity(raw: bytes) -> tuple[str | None, int | None, str | None]:
    """The source, the sequence and the record type, each None where it is not a clean one."""
    members = outermost(raw)
    source, sequence, record_type = members.get("source"), members.get("sequence"), members.get("type")
    return (
        source if is_name(source) and "\ufffd" not in str(source) else None,
        int(str(sequence)) if is_number(sequence) else None,
        record_type if is_name(record_type) else None,
    )


def is_number(value: Any) -> bool:
    """Whether it is a text of 16 decimal digits, from 1 to 2^53 - 1."""
    if not isinstance(value, str) or len(value) != 16 or not set(value) <= set("0123456789"):
        return False
    return 1 <= int(value) < 2**53


def is_name(value: Any) -> bool:
    """Whether it is a text of 1 to 256 bytes of UTF-8 without control characters."""
    if not isinstance(value, str):
        return False
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        return False
    return 1 <= length <= 256 and not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in value)
