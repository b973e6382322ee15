"""The AWS account and region that a stage is deployed to, and clients for its services."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.errors import DeploymentFailed, SettingsError

if TYPE_CHECKING:
    import boto3

_ATTEMPTS = 8
_SHOWN_DIGITS = 4
_MOST_WORDS = 1_000
_ACCOUNT = re.compile(r"(?<!\d)\d{8}(\d{4})(?!\d)")
_NOT_TAKEN = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""What services call credentials that are wrong or have ended; each has its own word."""


class Account(NamedTuple):
    """Who calls, by its ARN, in which account and region; no account number is ever shown whole."""

    number: str
    caller: str
    region: str

    def hide(self, text: str) -> str:
        """The text with the account's number masked but for its last four digits."""
        return text.replace(self.number, self.masked)

    @property
    def masked(self) -> str:
        """The number as it is shown."""
        return "*" * (len(self.number) - _SHOWN_DIGITS) + self.number[-_SHOWN_DIGITS:]

    def __str__(self) -> str:
        return f"{self.caller.rpartition(':')[2]} in account {self.masked}, region {self.region}"


@dataclass(frozen=True)
class Cloud:
    """One region of one account; `environ` reaches the same from another process."""

    environ: Mapping[str, str]
    session: "boto3.session.Session"
    endpoint: str | None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, service: str) -> Any:  # noqa: ANN401  each service has a type of its own
        """The client, made once, that tries again by botocore's own rules where a call can be repeated."""
        from botocore.config import Config  # noqa: PLC0415  slow to import, as boto3 is

        if service not in self._clients:
            config = Config(retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"})
            make: Any = self.session.client
            self._clients[service] = make(service, endpoint_url=self.endpoint, config=config)
        return self._clients[service]

    def account(self) -> Account:
        """Whose credentials these are."""
        told = self.client("sts").get_caller_identity()
        return Account(told["Account"], told["Arn"], str(self.session.region_name))

    def credentials(self) -> dict[str, str]:
        """The very credentials, for a process that would find others, or ask for a code once more."""
        found = self.session.get_credentials()
        if found is None:
            return {}
        keys = found.get_frozen_credentials()
        return {
            "AWS_ACCESS_KEY_ID": keys.access_key or "",
            "AWS_SECRET_ACCESS_KEY": keys.secret_key or "",
            "AWS_SESSION_TOKEN": keys.token or "",
        }


def connect(environ: Mapping[str, str], region: str) -> Cloud:
    """The region with the credentials that `environ` names, or that any AWS SDK would find here.

    Nothing is asked yet. Raises SettingsError when the settings cannot be used.
    """
    import boto3  # noqa: PLC0415  slow to import: only commands that talk to AWS pay for it
    import botocore.exceptions  # noqa: PLC0415  the same

    try:
        session = boto3.session.Session(
            aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=environ.get("AWS_SESSION_TOKEN"),
            region_name=region,
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise SettingsError(f"the AWS settings cannot be used: {error}") from error
    named = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return Cloud({**environ, **named}, session, environ.get("AWS_ENDPOINT_URL"))


@contextmanager
def plainly(what: str) -> Iterator[None]:
    """Let what AWS refuses be one sentence: DeploymentFailed, or SettingsError where it is credentials.

    AWS names the account when it refuses: its number is masked, whosever it is.
    """
    import botocore.exceptions  # noqa: PLC0415  slow to import, as boto3 is

    try:
        yield
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        told = _ACCOUNT.sub(r"********\1", str(error)[-_MOST_WORDS:])  # some repeat the template first
        if _is_of_credentials(error):
            raise SettingsError(
                f"AWS credentials are missing or have ended: {told}; renew them and repeat the command"
            ) from error
        raise DeploymentFailed(f"{what}: {told}") from error


def _is_of_credentials(error: Exception) -> bool:
    from botocore import exceptions  # noqa: PLC0415  loaded by now

    if isinstance(error, exceptions.ClientError):
        return error.response["Error"].get("Code") in _NOT_TAKEN
    return isinstance(
        error,
        exceptions.CredentialRetrievalError
        | exceptions.LoginError
        | exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.SSOError
        | exceptions.TokenRetrievalError,
    )
