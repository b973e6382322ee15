"""Whose life a directory holds: the source, and the place that it lives in."""

import socket
from pathlib import Path
from zlib import crc32

import msgspec

from producers.spool.segment import write_durably

_FILE = "life.json"
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The life file: a line of JSON, and one with its checksum.

    `machine` and `inode` (of the life's directory) tell a spool that was copied or restored from the one that
    wrote it. `closed` says why no number is given any more; `reported`: Kinesis has the status that says so.
    """

    source: str
    machine: str
    inode: int
    sync: bytes
    closed: str | None = None
    reported: bool = False

    def lives_in(self, directory: Path, machine: str) -> bool:
        """Whether this is where it was born."""
        return self.machine == machine and self.inode == directory.stat().st_ino


def this_machine() -> str:
    """The machine's id, or the host's name where it has none."""
    for path in _MACHINE_IDS:
        try:
            if text := path.read_text(encoding="ascii").strip():
                return text
        except (OSError, UnicodeDecodeError):
            continue
    return socket.gethostname()


def read(directory: Path) -> Identity | None:
    """The life file; None when it is missing or damaged."""
    try:
        body, _, checksum = (directory / _FILE).read_bytes().rpartition(b"\n#")
        return msgspec.json.decode(body, type=Identity) if checksum == _checksum(body) else None
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write(directory: Path, identity: Identity) -> None:
    """Replace the life file. Raises OSError."""
    body = msgspec.json.encode(identity)
    write_durably(directory / _FILE, body + b"\n#" + _checksum(body))


def _checksum(body: bytes) -> bytes:
    return b"%08x" % crc32(body)
