"""Where a Data API is: `redshift-data://WORKGROUP/DATABASE?region=R&secret=ARN`.

Without a region it is the one of the AWS settings; without a secret the database's user is derived from the
AWS identity (`IAM:name`, `IAMR:role`).
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from headrace.errors import SettingsError
from headrace.ops.clock import Clock
from headrace.warehouse.data_api import DataApi

_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_KNOWN = {"region", "secret"}
_WORKGROUP = re.compile("[a-z0-9-]{3,63}")


def connect(url: str, clock: Clock, environ: Mapping[str, str]) -> DataApi:
    """The database; nothing is asked yet. `environ` names credentials, region and endpoint, where it does.

    Raises `SettingsError`.
    """
    workgroup, database, options = _parts(url)
    place = {"WorkgroupName": workgroup, "Database": database}
    if secret := options.get("secret"):
        place["SecretArn"] = secret
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 1},  # asked again here, by our own clock and under the same token
    )
    try:
        session = boto3.session.Session(
            aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=environ.get("AWS_SESSION_TOKEN"),
            region_name=options.get("region")
            or environ.get("AWS_REGION")
            or environ.get("AWS_DEFAULT_REGION"),
        )
        endpoint = environ.get("AWS_ENDPOINT_URL_REDSHIFT_DATA") or environ.get("AWS_ENDPOINT_URL")
        client = session.client("redshift-data", endpoint_url=endpoint, config=config)
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"the AWS settings cannot be used: {error}") from error
    return DataApi(client, place, clock)


def _parts(url: str) -> tuple[str, str, dict[str, str]]:
    address = urlsplit(url)
    workgroup, database = address.netloc, unquote(address.path.removeprefix("/"))
    options = dict(parse_qsl(address.query))
    named = _WORKGROUP.fullmatch(workgroup) and database and "/" not in database
    if not named or not options.keys() <= _KNOWN:
        raise SettingsError(
            "HEADRACE_WAREHOUSE_URL: expected redshift-data://WORKGROUP/DATABASE?region=R&secret=ARN, "
            f"the query optional, not {url}"
        )
    return workgroup, database, options
