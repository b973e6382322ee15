"""The certificate for what travels between a cluster's nodes: made once, by OpenSSL, kept in its bucket.

Source: Amazon EMR Management Guide, "Providing certificates for encrypting data in transit".
"""

import io
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import botocore.exceptions

from headrace.errors import DeploymentFailed

_KEY, _CHAIN, _TRUSTED = "privateKey.pem", "certificateChain.pem", "trustedCertificates.pem"
_DAYS = 3650  # longer than any cluster lives; nodes that come later must have the same one
_DOMAIN_OF_OLD = {"us-east-1": "ec2.internal"}


def ensure(s3: Any, url: str, region: str) -> None:  # noqa: ANN401  boto3's client "s3"
    """Put the certificate where the URL says, unless one is there. Raises DeploymentFailed."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except botocore.exceptions.ClientError as error:
        if error.response.get("Error", {}).get("Code") not in {"404", "NoSuchKey", "NotFound"}:
            raise DeploymentFailed(f"the nodes' certificate {url} cannot be looked at: {error}") from error
        s3.put_object(Bucket=bucket, Key=key, Body=make(region))


def make(region: str) -> bytes:
    """A zip with a new key and its certificate, for every node of the region. Raises DeploymentFailed."""
    domain = _DOMAIN_OF_OLD.get(region, f"{region}.compute.internal")
    with tempfile.TemporaryDirectory() as folder:
        key, chain = Path(folder, _KEY), Path(folder, _CHAIN)
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(_DAYS)]
        command += ["-subj", f"/CN=*.{domain}", "-keyout", str(key), "-out", str(chain)]
        try:
            subprocess.run(command, capture_output=True, text=True, check=True)
        except FileNotFoundError as error:
            raise DeploymentFailed("the nodes' certificate is made by `openssl`: install it") from error
        except subprocess.CalledProcessError as error:
            raise DeploymentFailed(f"openssl made no certificate: {error.stderr.strip()}") from error
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, path in ((_KEY, key), (_CHAIN, chain), (_TRUSTED, chain)):
                archive.writestr(name, path.read_bytes())
        return packed.getvalue()
