"""Emptying a bucket: every version and every delete marker, since S3 deletes no bucket that holds any."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from headrace.errors import DeploymentFailed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_AT_ONCE = 1_000  # the most that S3 takes
_TOLD_EVERY = 10_000


def empty(s3: "S3Client", bucket: str, say: Callable[[str], None]) -> int:
    """Delete all that the bucket holds; how many versions and markers that was.

    A bucket that is gone is empty. Raises DeploymentFailed when S3 keeps something.
    """
    import botocore.exceptions  # noqa: PLC0415  loaded with boto3 by now

    done = 0
    try:
        for batch in _batches(s3, bucket):
            told = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
            if errors := told.get("Errors"):
                first = errors[0]
                raise DeploymentFailed(
                    f"s3://{bucket}/{first.get('Key', '')} is not deleted: {first.get('Message', '')}"
                )
            if (done + len(batch)) // _TOLD_EVERY > done // _TOLD_EVERY:
                say(f"s3://{bucket}: {done + len(batch):,} versions deleted")
            done += len(batch)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"].get("Code") != "NoSuchBucket":
            raise
    return done


def _batches(s3: "S3Client", bucket: str) -> "Iterator[list[ObjectIdentifierTypeDef]]":
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        batch: list[ObjectIdentifierTypeDef] = [
            {"Key": one["Key"], "VersionId": one["VersionId"]} for one in found
        ]
        for start in range(0, len(batch), _AT_ONCE):
            yield batch[start : start + _AT_ONCE]
