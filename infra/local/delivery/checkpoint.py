"""How far a delivery has come: up to which record of each shard everything is in the archive."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec


class Checkpoint(msgspec.Struct, frozen=True):
    """`stream` is its identity (name and creation), `positions` a sequence number for each shard."""

    stream: str = ""
    positions: Mapping[str, str] = {}


def path_of(state: Path, stream: str) -> Path:
    """The file of a stream's delivery in the state folder."""
    return state / "delivery" / f"{stream}.json"


def load(path: Path) -> Checkpoint:
    """The checkpoint; an empty one when none can be read: everything is delivered again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return Checkpoint()


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(checkpoint))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
