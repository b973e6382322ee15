"""What of a JSON tree may pass: the paths on a list; all else is left out, or loses its content."""

from collections.abc import Iterable
from typing import Any

_Allowed = dict[str, "_Allowed | None"]


def allow_list(paths: Iterable[str]) -> _Allowed:
    """A list of paths to single values, such as `name.first`, ready for `cleaned`."""
    allowed: _Allowed = {}
    for path in paths:
        *above, last = path.split(".")
        level = allowed
        for name in above:
            below = level.setdefault(name, {})
            assert below is not None, f"{name} of {path} is a single value on the list"
            level = below
        level[last] = None
    return allowed


def cleaned(value: Any, allowed: _Allowed | None) -> Any:  # noqa: ANN401  any JSON
    """The value with what is allowed of it.

    A key that is not on the list is left out. A value of the wrong shape keeps its type, so that whoever
    reads it later can say what is wrong, but loses its content: `""`, `0`, `false`, `[]` or `{}`.
    """
    if allowed is None:
        return type(value)() if isinstance(value, (dict, list)) else value
    if not isinstance(value, dict):
        return type(value)()
    return {key: cleaned(value[key], below) for key, below in allowed.items() if key in value}
