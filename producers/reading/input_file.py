"""One open input file, plain or gzip, known by what it is and not by its name."""

import gzip
import io
import os
import zlib
from pathlib import Path

from headrace.errors import SourceUnreadable
from producers.reading.fingerprint import FINGERPRINT_BYTES
from producers.reading.splitter import looks_binary

_GZIP = b"\x1f\x8b"
_SAMPLE_BYTES = 8192


class InputFile:
    """Opened for reading from its start; `head` is what its content begins with."""

    def __init__(self, path: Path) -> None:
        """Raises SourceUnreadable for a file that is missing, closed to us, or no text."""
        self.path = path
        try:
            self._raw = path.open("rb", buffering=0)
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            self.inode = os.fstat(self._raw.fileno()).st_ino
            self.is_gzip = _peek(self._raw, len(_GZIP)) == _GZIP
            self._file: gzip.GzipFile | io.FileIO = (
                gzip.GzipFile(fileobj=self._raw) if self.is_gzip else self._raw
            )
            sample = self._some(_SAMPLE_BYTES)
            self._file.seek(0)
        except (OSError, EOFError, zlib.error) as error:
            self._raw.close()
            raise unreadable(path, error) from error
        if looks_binary(sample):
            self.close()
            raise SourceUnreadable(
                f"{path} is no text: its first bytes are binary. Give a log, plain or gzip, in UTF-8"
            )
        self.head = sample[:FINGERPRINT_BYTES]
        self.offset = 0

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

    def is_intact(self) -> bool:
        """Whether the content still begins with the head, which grows with it. Raises SourceUnreadable."""
        if self.is_gzip:
            return True
        head = self.at(0, FINGERPRINT_BYTES)
        if not head.startswith(self.head):
            return False
        self.head = head
        return True

    def at(self, offset: int, size: int) -> bytes:
        """Bytes of a plain file, wherever reading stands. Raises SourceUnreadable."""
        try:
            return os.pread(self._raw.fileno(), size, offset)
        except OSError as error:
            raise unreadable(self.path, error, offset) from error

    def status(self) -> os.stat_result:
        """Of the file that is open, whatever its path is by now. Raises OSError."""
        return os.fstat(self._raw.fileno())

    def length_of_gzip(self) -> int:
        """What the last bytes of a gzip file say of its content's length, modulo 2^32 (RFC 1952)."""
        size = self.status().st_size
        return int.from_bytes(self.at(max(size - 4, 0), 4), "little")

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
