"""The archive's bucket as a list of objects that can be read: S3, or what stands in for it."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from headrace.errors import ArchiveRefused, ArchiveUnavailable, HeadraceError, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GZIP = b"\x1f\x8b"
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 10, 60, 5
_LATER = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "ThrottlingException"}
)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class ObjectInfo:
    """One object of the bucket; `size` in bytes as stored, `modified` aware."""

    key: str
    etag: str
    size: int
    modified: datetime


class Lake:
    """One bucket; threads may share it.

    Every call raises `ArchiveUnavailable` when S3 gives no answer after a few attempts, `ArchiveRefused` when
    it will not give what is asked for, and `SettingsError` when there are no credentials.
    """

    def __init__(self, bucket: str, s3: "S3Client") -> None:
        self.bucket = bucket
        self._s3 = s3

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key begins with the prefix, in the order of the keys."""
        pages = iter(self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix))
        while (page := self._asked(lambda: next(pages, None), f"listing {prefix}")) is not None:
            for found in page.get("Contents", ()):
                yield ObjectInfo(found["Key"], found["ETag"].strip('"'), found["Size"], found["LastModified"])

    def read(self, key: str) -> bytes:
        """What the object holds; unpacked when it is GZIP."""
        data = self._asked(lambda: self._body(key), key)
        if not data.startswith(_GZIP):
            return data
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ArchiveRefused(f"s3://{self.bucket}/{key} is damaged: {error}") from error

    def _body(self, key: str) -> bytes:
        return self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def _asked(self, call: Callable[[], _Result], what: str) -> _Result:
        import botocore.exceptions  # noqa: PLC0415  loaded with boto3 by now

        try:
            return call()
        except botocore.exceptions.ClientError as error:
            told = error.response
            code, status = told["Error"].get("Code", ""), told["ResponseMetadata"].get("HTTPStatusCode", 0)
            raise _fate(code, status)(f"s3://{self.bucket}, {what}: {error}") from error
        except (
            botocore.exceptions.NoCredentialsError,
            botocore.exceptions.PartialCredentialsError,
            botocore.exceptions.ParamValidationError,
        ) as error:
            raise SettingsError(f"the archive s3://{self.bucket} cannot be asked: {error}") from error
        except botocore.exceptions.BotoCoreError as error:
            raise ArchiveUnavailable(f"s3://{self.bucket}, {what}: {error}") from error


def connect(bucket: str, environ: Mapping[str, str]) -> Lake:
    """The archive, by the endpoint, region and credentials that `environ` names.

    What it does not name is found as by any AWS SDK (profile, instance role). Nothing is asked yet. Raises
    SettingsError when the settings cannot be used.
    """
    import boto3  # noqa: PLC0415  slow to import: only commands that talk to AWS pay for it
    import botocore.exceptions  # noqa: PLC0415  the same
    from botocore.config import Config  # noqa: PLC0415  the same

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
    )
    try:
        session = boto3.session.Session(
            aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=environ.get("AWS_SESSION_TOKEN"),
            region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION"),
        )
        endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
        return Lake(bucket, session.client("s3", endpoint_url=endpoint, config=config))
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise SettingsError(f"the AWS settings cannot be used: {error}") from error


def _fate(code: str, status: int) -> type[HeadraceError]:
    """Whether another attempt may help."""
    later = code in _LATER or status >= 500 or status == 429  # noqa: PLR2004  HTTP's own numbers
    return ArchiveUnavailable if later else ArchiveRefused
