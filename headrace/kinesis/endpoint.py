"""Where Kinesis is and who asks: region, endpoint and credentials by botocore's own rules.

So AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_KINESIS, profiles, instance roles and SSO work as with any AWS SDK.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import botocore.exceptions
import botocore.httpsession
import botocore.session
import botocore.utils
from botocore.credentials import Credentials

from headrace.errors import KinesisUnavailable, SettingsError
from headrace.kinesis.signature import Keys

REFRESH_FAULTS = (
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,  # STS refused
    RuntimeError,  # botocore's word for new credentials that have ended already
)

_REGION = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
"""Every AWS SDK but botocore reads AWS_REGION."""


@dataclass(frozen=True)
class Endpoint:
    """One Kinesis endpoint; `keys` gives credentials that are valid now and may ask the network for them.

    `renew` finds new ones in the place of those that the service says have ended.
    """

    url: str
    region: str
    keys: Callable[[], Keys]
    ca_bundle: str | None = None
    renew: Callable[[Keys], None] | None = None


def resolve(*, endpoint_url: str | None = None, region: str | None = None) -> Endpoint:
    """The endpoint that an AWS SDK would use here; the arguments outrank the environment.

    Raises SettingsError when no region or no credentials can be found.
    """
    session = new_session()
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
    found = _Found(credentials)
    return Endpoint(client.meta.endpoint_url, client.meta.region_name, found.keys, str(bundle), found.renew)


def new_session() -> botocore.session.Session:
    """A session that reads the environment and the AWS files anew."""
    return botocore.session.Session(session_vars=_REGION)


def proxy_of(url: str) -> str | None:
    """The proxy by which the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) says to reach it, if any."""
    proxies: dict[str, str] = botocore.utils.get_environ_proxies(url)
    return proxies.get(urlsplit(url).scheme)


class _Found:
    """Credentials by botocore's chain of providers; threads may share them."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()

    def keys(self) -> Keys:
        return frozen_keys(self._credentials)

    def renew(self, ended: Keys) -> None:
        """Walk the chain again, unless another thread has; files that have changed are read too."""
        with self._lock:
            if self.keys() != ended:
                return
            try:
                found = new_session().get_credentials()
            except REFRESH_FAULTS as error:
                raise KinesisUnavailable(f"AWS credentials could not be found anew: {error}") from error
            if found is not None:
                self._credentials = found


def frozen_keys(credentials: Credentials) -> Keys:
    """The credentials now, refreshed first when they are about to end.

    Raises KinesisUnavailable when the refresh fails: it may succeed later.
    """
    try:
        frozen = credentials.get_frozen_credentials()
    except REFRESH_FAULTS as error:
        raise KinesisUnavailable(f"AWS credentials could not be refreshed: {error}") from error
    if not frozen.access_key or not frozen.secret_key:
        raise KinesisUnavailable("AWS credentials are empty after a refresh")
    return Keys(frozen.access_key, frozen.secret_key, frozen.token)
