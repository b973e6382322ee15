"""Where the batch pipeline's files lie: a folder of this machine, or a prefix of a bucket."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs

from headrace.errors import StorageUnusable

_S3 = "s3://"


class Storage:
    """Files by their path below one root; the same calls on a disk and on S3.

    A file appears whole or not at all. `paths` are relative, with `/`. Every call raises `StorageUnusable`.
    """

    def __init__(self, root: str, environ: Mapping[str, str]) -> None:
        self._s3 = root.startswith(_S3)
        if self._s3:
            self.root = root.rstrip("/")
            self._base = self.root.removeprefix(_S3)
            self._files: Any = pyarrow.fs.S3FileSystem(**_s3_options(environ))
        else:
            self._base = str(Path(root).resolve())
            self.root = self._base
            self._files = pyarrow.fs.LocalFileSystem()

    def uri(self, path: str) -> str:
        """The path as Hive and Spark name it: with a scheme, and nothing in it escaped."""
        return f"{'' if self._s3 else 'file:'}{self.root}/{path}"

    def place(self, path: str) -> str:
        """The path as a person names it."""
        return f"{self.root}/{path}"

    def open(self, path: str) -> Any:  # noqa: ANN401  a pyarrow file, which has no types
        """The file, opened for reading anywhere."""
        with _told(self.place(path)):
            return self._files.open_input_file(f"{self._base}/{path}")

    def read(self, path: str) -> bytes:
        """The whole file."""
        with self.open(path) as file, _told(self.place(path)):
            data: bytes = file.read()
            return data

    @contextmanager
    def create(self, path: str) -> Iterator[Any]:
        """A file to write: there under its name once the block ends, in place of one that was there."""
        whole = f"{self._base}/{path}"
        with _told(self.place(path)):
            if self._s3:
                # An upload that is not completed makes no object: a failure must not close the file.
                file = self._files.open_output_stream(whole)
                yield file
                file.close()
                return
            folder, _, name = whole.rpartition("/")
            self._files.create_dir(folder, recursive=True)
            hidden = f"{folder}/_{name}.{os.getpid()}.new"
            with self._files.open_output_stream(hidden) as file:
                yield file
            with Path(hidden).open("rb") as written:
                os.fsync(written.fileno())
            Path(hidden).replace(whole)

    def write(self, path: str, data: bytes) -> None:
        """Write a small file whole."""
        with self.create(path) as file:
            file.write(data)

    def remove(self, path: str) -> None:
        """Delete the file."""
        with _told(self.place(path)):
            self._files.delete_file(f"{self._base}/{path}")

    def link(self, path: str, target: str) -> bool:
        """On a disk, make `path` a link to `target`, absolute or below the root. False on S3: it has none."""
        if self._s3:
            return False
        folder, _, name = f"{self._base}/{path}".rpartition("/")
        with _told(self.place(path)):
            Path(folder).mkdir(parents=True, exist_ok=True)
            hidden = Path(folder, f"_{name}.{os.getpid()}.new")
            hidden.symlink_to(Path(self._base, target))
            hidden.replace(f"{folder}/{name}")
        return True

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        with _told(self.place(path)):
            found = self._files.get_file_info(f"{self._base}/{path}")
            return bool(found.type == pyarrow.fs.FileType.File)

    def list(self, folder: str) -> list[str]:
        """The paths of all files below the folder, sorted; none when there is no such folder."""
        selector = pyarrow.fs.FileSelector(f"{self._base}/{folder}", recursive=True, allow_not_found=True)
        with _told(self.place(folder)):
            found = self._files.get_file_info(selector)
        return sorted(
            entry.path.removeprefix(f"{self._base}/")
            for entry in found
            if entry.type == pyarrow.fs.FileType.File
        )

    def size(self, path: str) -> int:
        """Bytes of the file."""
        with _told(self.place(path)):
            size = self._files.get_file_info(f"{self._base}/{path}").size
        if size is None:
            raise StorageUnusable(f"{self.place(path)} is not there")
        return int(size)


def _s3_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the environment says of S3; the rest is found as by any AWS SDK."""
    options: dict[str, Any] = {}
    if endpoint := environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL"):
        options["endpoint_override"] = endpoint
    if region := environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"):
        options["region"] = region
    if key := environ.get("AWS_ACCESS_KEY_ID"):
        options |= {"access_key": key, "secret_key": environ.get("AWS_SECRET_ACCESS_KEY", "")}
        options["session_token"] = environ.get("AWS_SESSION_TOKEN")
    return options


@contextmanager
def _told(place: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StorageUnusable(f"{place}: {error}") from error
