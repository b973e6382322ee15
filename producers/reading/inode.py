"""What stands at a path, as long as the path leads to the file that it is thought to lead to."""

import os
from pathlib import Path

from headrace.errors import SourceUnreadable
from producers.reading.input_file import InputFile


def status_at(path: Path, key: tuple[int, int]) -> os.stat_result | None:
    """Of the file with this device and inode; None when it is gone from there, or another took its place."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status if is_of(status, key) else None


def head_at(path: Path, key: tuple[int, int]) -> bytes | None:
    """What the file with this device and inode begins with; None when it is not there or cannot be read."""
    try:
        file = InputFile(path)
    except SourceUnreadable:
        return None
    try:
        return file.head if is_of(file.status(), key) else None
    finally:
        file.close()


def is_of(status: os.stat_result, key: tuple[int, int]) -> bool:
    """Whether it is the status of the file with this device and inode."""
    return (status.st_dev, status.st_ino) == key
