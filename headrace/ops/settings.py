"""A process's settings: read once, at its entry point, into one validated object.

A settings class is a frozen `msgspec.Struct` whose fields carry a `Setting`:

    class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True):
        stream: Annotated[str, Setting("HEADRACE_STREAM", "the stream that records go to")] = "events"

The command line wins over the environment, the environment over a settings file, the file over the default.
A field that holds several values is a list in a file, and separated by `:` in the environment.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from headrace.errors import SettingsError

S = TypeVar("S", bound=msgspec.Struct)


class Setting(NamedTuple):
    """Where a field is read from, and what it means."""

    variable: str
    meaning: str


class Described(NamedTuple):
    """One setting, for the documented list."""

    field: str
    variable: str
    meaning: str
    default: object


def describe(kind: type[msgspec.Struct]) -> list[Described]:
    """Every setting of a settings class, in the order of its fields."""
    defaults = {field.name: _default(field) for field in msgspec.structs.fields(kind)}
    return [
        Described(field, setting.variable, setting.meaning, defaults[field])
        for field, _, setting in _settings(kind)
    ]


def load(
    kind: type[S],
    environ: Mapping[str, str],
    *,
    values: Mapping[str, object] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> S:
    """Read and validate the settings of one process; `values` are those of its settings file.

    An override of `None` counts as not given, an empty environment variable too.
    Raises SettingsError, which names every setting that is missing or wrong.
    """
    from_file = values or {}
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    read: dict[str, object] = {}
    problems: list[str] = []
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    for name, hint, setting in _settings(kind):
        found = _find(name, setting, given, environ, from_file)
        if found is None:
            if name in required:
                problems.append(f"{name} ({setting.variable}) is not set: {setting.meaning}")
            continue
        place, raw = found
        if place == setting.variable and isinstance(raw, str) and get_origin(get_args(hint)[0]) is tuple:
            raw = raw.split(":")
        try:
            read[name] = msgspec.convert(raw, hint, strict=not isinstance(raw, str), str_keys=True)
        except msgspec.ValidationError as error:
            problems.append(f"{place}: {error} ({setting.meaning})")
    if problems:
        raise SettingsError("wrong settings:\n  " + "\n  ".join(problems))
    return kind(**read)


def _settings(kind: type[msgspec.Struct]) -> Iterator[tuple[str, Any, Setting]]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            for extra in get_args(hint)[1:]:
                if isinstance(extra, Setting):
                    yield name, hint, extra


def _find(
    name: str,
    setting: Setting,
    given: Mapping[str, object],
    environ: Mapping[str, str],
    from_file: Mapping[str, object],
) -> tuple[str, object] | None:
    if name in given:
        return f"--{name.replace('_', '-')}", given[name]
    if environ.get(setting.variable):
        return setting.variable, environ[setting.variable]
    if name in from_file:
        return f"{name} in the settings file", from_file[name]
    return None


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.required else field.default
