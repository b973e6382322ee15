"""Where Kinesis is and who asks: region, endpoint and credentials by botocore's own rules.

So AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_KINESIS, profiles, instance roles and SSO work as with any AWS SDK.
"""

from collections.abc import Callable
from dataclasses import dataclass

import botocore.exceptions
import botocore.httpsession
import botocore.session
from botocore.credentials import Credentials

from headrace.errors import KinesisUnavailable, SettingsError
from headrace.kinesis.signature import Keys

_REFRESH_FAULTS = (
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,  # STS refused
    RuntimeError,  # botocore's word for new credentials that have ended already
)

_REGION = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
"""Every AWS SDK but botocore reads AWS_REGION."""


@dataclass(frozen=True)
class Endpoint:
    """One Kinesis endpoint; `keys` gives credentials that are valid now and may ask the network for them."""

    url: str
    region: str
    keys: Callable[[], Keys]
    ca_bundle: str | None = None


def resolve(*, endpoint_url: str | None = None, region: str | None = None) -> Endpoint:
    """The endpoint that an AWS SDK would use here; the arguments outrank the environment.

    Raises SettingsError when no region or no credentials can be found.
    """
    session = botocore.session.Session(session_vars=_REGION)
    try:
        client = session.create_client("kinesis", region_name=region, endpoint_url=endpoint_url)
        credentials = session.get_credentials()
    except botocore.exceptions.NoRegionError as error:
        raise SettingsError("no AWS region: set AWS_REGION, or a region in the AWS profile") from error
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise SettingsError(f"the AWS settings cannot be used: {error}") from error
    if credentials is None:
        raise SettingsError("no AWS credentials: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY")
    bundle = session.get_config_variable("ca_bundle") or botocore.httpsession.get_cert_path(verify=True)
    return Endpoint(
        client.meta.endpoint_url, client.meta.region_name, lambda: frozen_keys(credentials), str(bundle)
    )


def frozen_keys(credentials: Credentials) -> Keys:
    """The credentials now, refreshed first when they are about to end.

    Raises KinesisUnavailable when the refresh fails: it may succeed later.
    """
    try:
        frozen = credentials.get_frozen_credentials()
    except _REFRESH_FAULTS as error:
        raise KinesisUnavailable(f"AWS credentials could not be refreshed: {error}") from error
    if not frozen.access_key or not frozen.secret_key:
        raise KinesisUnavailable("AWS credentials are empty after a refresh")
    return Keys(frozen.access_key, frozen.secret_key, frozen.token)
