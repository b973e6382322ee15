"""What one producer process is to do: its own settings, and its inputs, from a file or from one command line.

A settings file (TOML) holds the process's settings at its top and one table per input:

    spool = "/var/lib/headrace"

    [inputs.web]
    source = "file"
    paths = ["/var/log/nginx/access.log"]
    follow = true

The environment wins over the file for the process's settings; an input's are read from its table alone.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from headrace.errors import SettingsError
from headrace.ops import settings as reading
from producers import catalog
from producers.line_format import Chosen, choose
from producers.settings import InputSettings, ProducerSettings

SOURCES = "producers.sources"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Input(NamedTuple):
    """One input: `own` are the settings of its kind of source; `spool` is its folder."""

    name: str
    settings: InputSettings
    own: msgspec.Struct
    spool: Path

    @property
    def kind(self) -> Any:  # noqa: ANN401  a module, see producers/reading/source.py
        """The module of its source."""
        return catalog.load(SOURCES, self.settings.source)

    @property
    def lines(self) -> Chosen:
        """The format and type of its lines."""
        return choose(self.kind.FORMAT, self.settings.type, self.settings.format)


class Configuration(NamedTuple):
    """One process."""

    producer: ProducerSettings
    inputs: tuple[Input, ...]


def of_one(source: str | None, given: Mapping[str, object], environ: Mapping[str, str]) -> Configuration:
    """One input, from the command line and the environment; its spool is the spool's folder itself.

    Raises SettingsError, which names every problem.
    """
    overrides = dict(given) if source is None else {**given, "source": source}
    producer = reading.load(ProducerSettings, environ, overrides=overrides)
    settings = reading.load(InputSettings, environ, overrides=overrides)
    kind = catalog.load(SOURCES, settings.source)
    own = reading.load(kind.Settings, environ, overrides=overrides)
    return _checked(Configuration(producer, (Input("", settings, own, Path(producer.spool)),)))


def of_file(path: Path, given: Mapping[str, object], environ: Mapping[str, str]) -> Configuration:
    """Every input of a settings file. Raises SettingsError, which names every problem."""
    document = _read(path)
    tables = document.pop("inputs", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise SettingsError(f"{path}: inputs are tables, such as [inputs.web]")
    problems = []
    unknown = sorted(key for key in document if key not in ProducerSettings.__struct_fields__)
    if unknown:
        known = ", ".join(ProducerSettings.__struct_fields__)
        problems.append(f"{', '.join(unknown)}: not a setting of the producer (known are {known})")
    known_keys = {key: value for key, value in document.items() if key not in unknown}
    producer = reading.load(ProducerSettings, environ, values=known_keys, overrides=given)
    if not tables:
        problems.append("no input: add at least one table, such as [inputs.web]")
    inputs = []
    for name, table in tables.items():
        try:
            inputs.append(_input(name, table, Path(producer.spool)))
        except SettingsError as error:
            problems.append(f"[inputs.{name}] {error}")
    if problems:
        raise SettingsError(f"{path}:\n  " + "\n  ".join(problems))
    return _checked(Configuration(producer, tuple(inputs)))


def _input(name: str, table: dict[str, object], root: Path) -> Input:
    if not _NAME.fullmatch(name):
        raise SettingsError("is no name: take small letters, digits, - and _")
    shared = set(InputSettings.__struct_fields__)
    settings = reading.load(InputSettings, {}, values={k: v for k, v in table.items() if k in shared})
    kind = catalog.load(SOURCES, settings.source)
    own = {key: value for key, value in table.items() if key not in shared}
    if unknown := sorted(set(own) - set(kind.Settings.__struct_fields__)):
        raise SettingsError(f"does not know {', '.join(unknown)}")
    return Input(name, settings, reading.load(kind.Settings, {}, values=own), root / name)


def _checked(configuration: Configuration) -> Configuration:
    """Raise SettingsError where settings do not go together."""
    for it in configuration.inputs:
        if not it.lines.record_type and it.settings.rebase:
            raise SettingsError("rebase needs lines of one type")
        if it.settings.rebase and (it.settings.source != "file" or getattr(it.own, "follow", False)):
            raise SettingsError("rebase needs files that are replayed: it reads them twice")
    return configuration


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"settings file {path}: {error}") from error
