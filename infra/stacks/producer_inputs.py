"""A stage's producers.toml, as far as the deployment is concerned with it; the daemons read the rest."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from headrace.errors import SettingsError
from infra.stacks.stage_file import FOLDER, Producers

STREAM = "${HEADRACE_STREAM}"
"""Stands for the name of the stream `events`, which each deployment makes up."""

_ANY = "0.0.0.0"  # noqa: S104  a task's own address, behind its security group


class Inputs(NamedTuple):
    """The file's text, and the ports on which its inputs listen."""

    text: str
    ports: tuple[int, ...]


def read_inputs(wanted: Producers, folder: Path = FOLDER) -> Inputs:
    """Read the file that the stage file names. Raises SettingsError, which names every problem."""
    path = folder / wanted.config
    try:
        text = path.read_text(encoding="utf-8")
        tables: dict[str, dict[str, Any]] = tomllib.loads(text).get("inputs", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"producers.config: {path}: {error}") from error
    problems = [
        f"[inputs.{name}] {why}" for name, table in tables.items() for why in _problems(table, wanted)
    ]
    if problems:
        raise SettingsError(f"{path}:\n  " + "\n  ".join(problems))
    return Inputs(text, tuple(table["port"] for table in tables.values() if _listens(table)))


def _listens(table: dict[str, Any]) -> bool:
    return bool(table.get("source") == "http")


def _problems(table: dict[str, Any], wanted: Producers) -> list[str]:
    found = []
    if table.get("stream") != STREAM:
        found.append(f'says stream = "{STREAM}": the deployment fills in its own stream')
    if _listens(table):
        if table.get("host") != _ANY or not isinstance(table.get("port"), int):
            found.append(f'listens on host = "{_ANY}" and a port of its own')
        if not wanted.http_secret:
            found.append("needs producers.http_secret in the stage file")
        if wanted.spool == "efs":
            found.append('needs producers.spool = "ebs": its Idempotency-Keys want a disk of their own')
        if wanted.internet:
            found.append("cannot listen where producers.internet is true: nothing is let in there")
    return found
