"""One open input file, plain or gzip, known by what it is and not by its name."""

import gzip
import io
import os
import zlib
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from headrace.errors import SourceUnreadable
from producers.reading.splitter import looks_binary

_GZIP = b"\x1f\x8b"
_FINGERPRINT_BYTES = 1024
_HEAD_BYTES = 8192


class InputFile:
    """Opened for reading from its start.

    Its name in the spool is `inode.length.digest`: the digest is of the first `length` bytes of its content,
    as many as there were when it was first read, 1024 at most. So a rotated file keeps its name, and a new
    file that got the same inode has another one.
    """

    def __init__(self, path: Path) -> None:
        """Raises SourceUnreadable for a file that is missing, closed to us, or no text."""
        self.path = path
        try:
            self._raw = path.open("rb", buffering=0)
            self.inode = os.fstat(self._raw.fileno()).st_ino
            self.is_gzip = _peek(self._raw, len(_GZIP)) == _GZIP
            self._file: gzip.GzipFile | io.FileIO = (
                gzip.GzipFile(fileobj=self._raw) if self.is_gzip else self._raw
            )
            self._head = self._some(_HEAD_BYTES)
            self._file.seek(0)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(path, error) from error
        if looks_binary(self._head):
            self.close()
            raise SourceUnreadable(
                f"{path} is no text: its first bytes are binary. Give a log, plain or gzip, in UTF-8"
            )
        self.offset = 0

    def name_among(self, known: Iterable[str]) -> str | None:
        """The name it has in the spool, or will have; None while it is empty."""
        self._extend_head()
        for name in known:
            inode, length, digest = _parts(name)
            if (
                inode == self.inode
                and 0 < length <= len(self._head)
                and digest == _digest(self._head[:length])
            ):
                return name
        if not self._head:
            return None
        length = min(len(self._head), _FINGERPRINT_BYTES)
        return f"{self.inode:x}.{length}.{_digest(self._head[:length])}"

    def seek(self, offset: int) -> None:
        """Go on reading at an offset of the (decompressed) content."""
        try:
            self._file.seek(offset)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(self.path, error) from error
        self.offset = offset

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end. Raises SourceUnreadable."""
        try:
            data = self._some(size)
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(self.path, error, self.offset) from error
        self.offset += len(data)
        return data

    def was_truncated(self) -> bool:
        """Whether what was read is no longer there."""
        if self.is_gzip:
            return False
        size = self._raw.seek(0, io.SEEK_END)
        self._raw.seek(0)
        head = self._raw.read(len(self._head[:_FINGERPRINT_BYTES]))
        self._raw.seek(self.offset)
        return size < self.offset or head != self._head[:_FINGERPRINT_BYTES]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()

    def _some(self, size: int) -> bytes:
        """The next bytes; of a damaged gzip file first what is good, which GzipFile.read would keep back."""
        if not isinstance(self._file, gzip.GzipFile):
            return self._file.read(size)
        parts: list[bytes] = []
        while size > 0:
            try:
                part = self._file.read1(size)
            except (EOFError, zlib.error):
                if parts:
                    break
                raise
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _extend_head(self) -> None:
        """A file that grows: its head may have been short when it was opened."""
        if not self.is_gzip and len(self._head) < _FINGERPRINT_BYTES:
            self._raw.seek(0)
            self._head = self._raw.read(_HEAD_BYTES)
            self._raw.seek(self.offset)


def unreadable(path: Path, error: Exception, offset: int | None = None) -> SourceUnreadable:
    """What stopped the reading, where, and what to do."""
    where = "" if offset is None else f" at byte {offset:,} of its content"
    if isinstance(error, EOFError):
        return SourceUnreadable(f"{path}: the gzip file ends too early{where}. What came before it was taken")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return SourceUnreadable(f"{path} cannot be read{where}: {reason}. Check the path and its permissions")


def _peek(file: io.FileIO, size: int) -> bytes:
    head = file.read(size) or b""
    file.seek(0)
    return head


def _digest(head: bytes) -> str:
    return sha256(head).hexdigest()[:12]


def _parts(name: str) -> tuple[int, int, str]:
    inode, _, rest = name.partition(".")
    length, _, digest = rest.partition(".")
    try:
        return int(inode, 16), int(length), digest
    except ValueError:
        return 0, 0, ""
