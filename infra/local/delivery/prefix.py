"""Prefix expressions of delivery streams: `events/type=!{partitionKeyFromLambda:type}/`.

Source: Amazon Data Firehose Developer Guide, "Understand custom prefixes for Amazon S3 objects".
"""

import re
from collections.abc import Mapping
from datetime import datetime

_EXPRESSION = re.compile(r"!\{([A-Za-z]+):([^}]*)\}")
_KEY_SPACES = ("partitionKeyFromLambda", "partitionKeyFromQuery")
_PATTERN = re.compile(r"yyyy|MM|dd|HH|mm|ss|'[^']*'|[^A-Za-z']")
_STRFTIME = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


class Prefix:
    """A parsed prefix; `keys` are the partition keys that it asks for, in their order."""

    def __init__(self, expression: str) -> None:
        """Raises ValueError for what is no expression of the four that are used here."""
        self._parts: list[str | tuple[str, str]] = []
        end = 0
        for found in _EXPRESSION.finditer(expression):
            self._parts += [expression[end : found.start()], _checked(found[1], found[2])]
            end = found.end()
        self._parts.append(expression[end:])
        if any("!{" in part for part in self._parts if isinstance(part, str)):
            raise ValueError(f"{expression} holds an expression that is not closed")
        named = [part[1] for part in self._parts if isinstance(part, tuple) and part[0] in _KEY_SPACES]
        self.keys = tuple(dict.fromkeys(named))

    def evaluate(self, at: datetime, *, keys: Mapping[str, str] | None = None, error_type: str = "") -> str:
        """The prefix of an object whose oldest record arrived `at` (aware, UTC). Every key must be there."""
        return "".join(
            part if isinstance(part, str) else _value(part, at, keys or {}, error_type)
            for part in self._parts
        )


def _checked(space: str, name: str) -> tuple[str, str]:
    if space == "timestamp":
        if "".join(_PATTERN.findall(name)) != name:
            raise ValueError(
                f"!{{timestamp:{name}}}: only yyyy, MM, dd, HH, mm, ss and quoted text are known"
            )
    elif (space, name) != ("firehose", "error-output-type") and (space not in _KEY_SPACES or not name):
        raise ValueError(f"!{{{space}:{name}}} is not known here")
    return space, name


def _value(part: tuple[str, str], at: datetime, keys: Mapping[str, str], error_type: str) -> str:
    space, name = part
    if space == "timestamp":
        return "".join(_formatted(token, at) for token in _PATTERN.findall(name))
    return error_type if space == "firehose" else keys[name]


def _formatted(token: str, at: datetime) -> str:
    if token.startswith("'"):
        return token[1:-1] or "'"
    return at.strftime(_STRFTIME[token]) if token in _STRFTIME else token
