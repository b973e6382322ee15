"""Buckets as S3 lists and empties them, requests held against its model."""

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from headrace.errors import DeploymentFailed
from infra.deployment.emptying import empty

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Bucket:
    """A client that is told its answers."""

    def __init__(self) -> None:
        self.client: S3Client = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.script = Stubber(self.client)
        self.script.activate()

    def lists(self, *versions: int, markers: tuple[int, ...] = (), more: bool = False) -> None:
        page: dict[str, Any] = {"IsTruncated": more} | ({"NextKeyMarker": "k"} if more else {})
        page["Versions"] = [named(number) for number in versions]
        page["DeleteMarkers"] = [named(number) for number in markers]
        self.script.add_response("list_object_versions", page)

    def deletes(self, *numbers: int, **answer: Any) -> None:
        wanted = {"Objects": [named(number) for number in numbers], "Quiet": True}
        self.script.add_response("delete_objects", answer, {"Bucket": "held", "Delete": wanted})


def named(number: int) -> dict[str, str]:
    return {"Key": f"key-{number}", "VersionId": f"v{number}"}


def test_every_page_goes_in_batches_that_s3_takes() -> None:
    bucket = Bucket()
    bucket.lists(*range(1_000), markers=(1_000, 1_001), more=True)
    bucket.deletes(*range(1_000))
    bucket.deletes(1_000, 1_001)
    bucket.lists(2_000)
    bucket.deletes(2_000)
    assert empty(bucket.client, "held", print) == 1_003
    bucket.script.assert_no_pending_responses()


def test_what_s3_keeps_is_told() -> None:
    bucket = Bucket()
    bucket.lists(1, 2)
    bucket.deletes(1, 2, Errors=[{"Key": "key-2", "Code": "AccessDenied", "Message": "you may not"}])
    with pytest.raises(DeploymentFailed, match="s3://held/key-2 is not deleted: you may not"):
        empty(bucket.client, "held", print)


def test_a_bucket_that_is_gone_is_empty() -> None:
    bucket = Bucket()
    bucket.script.add_client_error("list_object_versions", "NoSuchBucket")
    assert empty(bucket.client, "held", print) == 0
