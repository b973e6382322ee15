"""Where the batch pipeline's files lie: a folder of this machine, or a prefix of a bucket."""

import functools
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow as pa
import pyarrow.fs
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from headrace.errors import StorageUnusable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_S3 = "s3://"
_DRAFT = re.compile(r"(?:^|/)_[^/]+\.[0-9]+\.new$")  # a file that is being written


class Storage:
    """Files by their path below one root; the same calls on a disk and on S3.

    A file appears whole or not at all. `paths` are relative, with `/`. Every call raises `StorageUnusable`.
    """

    def __init__(self, root: str, environ: Mapping[str, str]) -> None:
        self._s3 = root.startswith(_S3)
        if self._s3:
            self.root = root.rstrip("/")
            self._base = self.root.removeprefix(_S3)
            self._options = _s3_options(environ)
            self._files: Any = pyarrow.fs.S3FileSystem(**self._options)
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
        """A file to write: there under its name once the block ends, in place of one that was there.

        It is written on this machine first: pyarrow completes an upload of its own when it is given up.
        """
        with _told(self.place(path)):
            draft = self._draft(path)
        try:
            with _told(self.place(path)), pa.OSFile(str(draft), "wb") as file:
                yield file
            self._publish(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    def write(self, path: str, data: bytes) -> None:
        """Write a small file whole."""
        with self.create(path) as file:
            file.write(data)

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

    def remove(self, path: str) -> None:
        """Remove the file, if it is there."""
        with _told(self.place(path)):
            if self._s3:
                bucket, _, key = f"{self._base}/{path}".partition("/")
                _client(**self._options).delete_object(Bucket=bucket, Key=key)
            else:
                Path(self._base, path).unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        """Remove all files of the folder, also what a process that was killed left unfinished."""
        for path in self._found(folder):
            self.remove(path)

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        with _told(self.place(path)):
            found = self._files.get_file_info(f"{self._base}/{path}")
            return bool(found.type == pyarrow.fs.FileType.File)

    def list(self, folder: str) -> list[str]:
        """The paths of all files below the folder, sorted; none when there is no such folder."""
        return [path for path in self._found(folder) if not _DRAFT.search(path)]

    def size(self, path: str) -> int:
        """Bytes of the file."""
        with _told(self.place(path)):
            size = self._files.get_file_info(f"{self._base}/{path}").size
        if size is None:
            raise StorageUnusable(f"{self.place(path)} is not there")
        return int(size)

    def _found(self, folder: str) -> Sequence[str]:
        selector = pyarrow.fs.FileSelector(f"{self._base}/{folder}", recursive=True, allow_not_found=True)
        with _told(self.place(folder)):
            found = self._files.get_file_info(selector)
        return sorted(
            entry.path.removeprefix(f"{self._base}/")
            for entry in found
            if entry.type == pyarrow.fs.FileType.File
        )

    def _draft(self, path: str) -> Path:
        """Where the file is written until it is whole; on a disk beside its place, where no reader looks."""
        if self._s3:
            handle, name = tempfile.mkstemp(prefix="headrace-")
            os.close(handle)
            return Path(name)
        whole = Path(self._base, path)
        whole.parent.mkdir(parents=True, exist_ok=True)
        return whole.with_name(f"_{whole.name}.{os.getpid()}.new")

    def _publish(self, draft: Path, path: str) -> None:
        with _told(self.place(path)):
            if self._s3:
                bucket, _, key = f"{self._base}/{path}".partition("/")
                _client(**self._options).upload_file(str(draft), bucket, key)
                return
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            draft.replace(f"{self._base}/{path}")


@functools.cache
def _client(**options: str | None) -> "S3Client":
    """The client for uploads, which takes back what it has sent when one fails."""
    return boto3.client(
        "s3",
        endpoint_url=options.get("endpoint_override"),
        region_name=options.get("region"),
        aws_access_key_id=options.get("access_key"),
        aws_secret_access_key=options.get("secret_key"),
        aws_session_token=options.get("session_token"),
    )


def _s3_options(environ: Mapping[str, str]) -> dict[str, str | None]:
    """What the environment says of S3, as pyarrow calls it; the rest is found as by any AWS SDK."""
    options: dict[str, str | None] = {}
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
    except (OSError, Boto3Error, BotoCoreError, ClientError) as error:
        raise StorageUnusable(f"{place}: {error}") from error
