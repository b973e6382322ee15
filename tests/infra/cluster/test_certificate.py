import ssl
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from headrace.errors import DeploymentFailed
from infra.cluster import certificate

URL = "s3://headrace-job/certificates/nodes.zip"


class Bucket:
    """As much of S3 as is asked."""

    def __init__(self, *, code: str = "404") -> None:
        self.code = code
        self.objects: dict[tuple[str, str], bytes] = {}

    def head_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise botocore.exceptions.ClientError({"Error": {"Code": self.code}}, "HeadObject")

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        self.objects[Bucket, Key] = Body


@pytest.mark.parametrize(
    ("region", "name"), [("us-east-1", "*.ec2.internal"), ("eu-west-1", "*.eu-west-1.compute.internal")]
)
def test_a_key_and_its_certificate_for_every_node_are_made_once(
    region: str, name: str, tmp_path: Path
) -> None:
    bucket = Bucket()
    certificate.ensure(bucket, URL, region)
    (made,) = bucket.objects.items()
    assert made[0] == ("headrace-job", "certificates/nodes.zip")
    certificate.ensure(bucket, URL, region)
    assert list(bucket.objects.items()) == [made]
    (tmp_path / "nodes.zip").write_bytes(made[1])
    with zipfile.ZipFile(tmp_path / "nodes.zip") as packed:
        assert set(packed.namelist()) == {"certificateChain.pem", "privateKey.pem", "trustedCertificates.pem"}
        packed.extractall(tmp_path)
    chain = tmp_path / "certificateChain.pem"
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, tmp_path / "privateKey.pem")
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-in", chain], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip().endswith(name)


def test_a_bucket_that_may_not_be_read_is_told_and_nothing_is_put() -> None:
    bucket: Any = Bucket(code="403")
    with pytest.raises(DeploymentFailed, match=r"nodes\.zip"):
        certificate.ensure(bucket, URL, "us-east-1")
    assert bucket.objects == {}


def test_a_missing_openssl_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DeploymentFailed, match="openssl"):
        certificate.make("us-east-1")
