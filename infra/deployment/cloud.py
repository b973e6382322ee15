"""The AWS account and region that a stage is deployed to, and clients for its services."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.errors import DeploymentFailed, SettingsError

if TYPE_CHECKING:
    import boto3

_ATTEMPTS = 8
_SHOWN_DIGITS = 4
_MOST_WORDS = 1_000


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

    def client(self, service: str) -> Any:  # noqa: ANN401  each service has a type of its own
        """A client that tries again, by botocore's own rules, where a call can be repeated."""
        from botocore.config import Config  # noqa: PLC0415  slow to import, as boto3 is

        config = Config(retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"})
        make: Any = self.session.client
        return make(service, endpoint_url=self.endpoint, config=config)

    def account(self) -> Account:
        """Whose credentials these are. Raises SettingsError when there are none, or they are not taken."""
        import botocore.exceptions  # noqa: PLC0415  loaded with boto3 by now

        try:
            told = self.client("sts").get_caller_identity()
        except botocore.exceptions.ClientError as error:
            raise SettingsError(f"AWS does not take these credentials: {error}") from error
        return Account(told["Account"], told["Arn"], str(self.session.region_name))


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
    """Let what AWS refuses be one sentence: DeploymentFailed, or SettingsError where it is credentials."""
    import botocore.exceptions  # noqa: PLC0415  slow to import, as boto3 is

    try:
        yield
    except (
        botocore.exceptions.NoCredentialsError,
        botocore.exceptions.PartialCredentialsError,
        botocore.exceptions.TokenRetrievalError,
    ) as error:
        raise SettingsError(f"AWS credentials are missing or have ended: {error}") from error
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        told = str(error)[-_MOST_WORDS:]  # some repeat the whole template first
        raise DeploymentFailed(f"{what}: {told}") from error
