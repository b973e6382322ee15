"""A process's settings: read once, at its entry point, into one validated object.

A settings class is a frozen `msgspec.Struct` whose fields carry a `Setting`:

    class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True):
        stream: Annotated[str, Setting("HEADRACE_STREAM", "the stream that records go to")] = "events"

The command line wins over the environment, the environment over the stage file, the file over the default.
In the stage file (TOML) a key is the field's name, either at the top (for every process that knows it) or in
the table of its process (`[producer]`, `[stream_job]`), where an unknown key is an error.
A field that holds several values is a list in the file, and separated by `:` in the environment.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
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
    stage_file: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> S:
    """Read and validate the settings of one process.

    An override of `None` counts as not given, an empty environment variable too.
    Raises SettingsError, which names every setting that is missing or wrong.
    """
    from_file = _read_stage_file(stage_file, kind) if stage_file else {}
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    values: dict[str, object] = {}
    problems: list[str] = []
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    for name, hint, setting in _settings(kind):
        found = _find(name, setting, given, environ, from_file)
        if found is None:
            if name in required:
                problems.append(f"{setting.variable} is not set ({setting.meaning})")
            continue
        place, raw = found
        if isinstance(raw, str) and get_origin(get_args(hint)[0]) is tuple:
            raw = raw.split(":")
        try:
            values[name] = msgspec.convert(raw, hint, strict=not isinstance(raw, str), str_keys=True)
        except msgspec.ValidationError as error:
            problems.append(f"{place}: {error} ({setting.meaning})")
    if problems:
        raise SettingsError("wrong settings:\n  " + "\n  ".join(problems))
    return kind(**values)


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
        return f"{name} in the stage file", from_file[name]
    return None


def _read_stage_file(path: Path, kind: type[msgspec.Struct]) -> dict[str, object]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"stage file {path}: {error}") from error
    section = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__.removesuffix("Settings")).lower()
    own: dict[str, object] = document.get(section, {})
    known = {name for name, _, _ in _settings(kind)}
    if unknown := sorted(set(own) - known):
        raise SettingsError(f"stage file {path}: [{section}] does not know {', '.join(unknown)}")
    return {name: value for name, value in document.items() if name in known} | own


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.required else field.default
