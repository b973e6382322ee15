"""S3 and Lambda, as a delivery asks them."""

from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from headrace.errors import ArchiveRefused, ArchiveUnavailable, SettingsError, TransformUnavailable
from infra.local.delivery.archive_buffer import ArchiveObject
from infra.local.delivery.transform import Answer

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

_INVOKE_SECONDS = 300  # the service gives a function five minutes at most
_ANSWER_SECONDS = 30
_SERVER_ERROR = 500
_ATTEMPTS_THAT_COUNT = ("TooManyRequestsException", "RequestTooLargeException")
_PASSING = ("SlowDown", "RequestTimeout", "Throttling")


class Services:
    """Both at the endpoint that the environment names; threads may share them."""

    def __init__(self, lambdas: "LambdaClient", s3: "S3Client", *, function: str, bucket: str) -> None:
        self._lambdas = lambdas
        self._s3 = s3
        self._function = function
        self._bucket = bucket

    @classmethod
    def connect(cls, *, function: str, bucket: str) -> Self:
        """Connect as any AWS SDK would. Raises SettingsError."""
        try:
            session = boto3.session.Session()
            return cls(
                session.client("lambda", config=_config(_INVOKE_SECONDS)),
                session.client("s3", config=_config(_ANSWER_SECONDS)),
                function=function,
                bucket=bucket,
            )
        except (BotoCoreError, ValueError) as error:
            raise SettingsError(f"the AWS settings cannot be used: {error}") from error

    def invoke(self, event: bytes) -> Answer:
        """One call, which fails by the function's error or time-out, or by the limit on calls.

        Those count as attempts, as the service documents. Raises TransformUnavailable when Lambda itself, or
        the function, is not there: a laptop's emulator is stopped and started, and nothing may be lost by it.
        """
        try:
            answer = self._lambdas.invoke(FunctionName=self._function, Payload=event)
            payload = answer["Payload"].read()
        except ReadTimeoutError as error:
            return Answer(failed=str(error))
        except ClientError as error:
            if error.response["Error"]["Code"] in _ATTEMPTS_THAT_COUNT:
                return Answer(failed=str(error))
            raise TransformUnavailable(f"function {self._function} cannot be called: {error}") from error
        except BotoCoreError as error:
            raise TransformUnavailable(f"Lambda gave no answer: {error}") from error
        if answer.get("FunctionError"):
            return Answer(failed=payload.decode(errors="replace"))
        return Answer(payload)

    def put(self, it: ArchiveObject) -> None:
        """Write one object. Raises ArchiveUnavailable and ArchiveRefused."""
        request: PutObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": it.key,
            "Body": it.body,
            "ContentType": "application/octet-stream",
        }
        if it.encoding:
            request["ContentEncoding"] = it.encoding
        try:
            self._s3.put_object(**request)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            passes = status >= _SERVER_ERROR or error.response["Error"]["Code"] in _PASSING
            kind = ArchiveUnavailable if passes else ArchiveRefused
            raise kind(f"s3://{self._bucket}/{it.key} cannot be written: {error}") from error
        except BotoCoreError as error:
            raise ArchiveUnavailable(f"S3 gave no answer: {error}") from error


def _config(read_seconds: int) -> Config:
    """One attempt: what a second one means, the delivery knows."""
    return Config(connect_timeout=5, read_timeout=read_seconds, retries={"total_max_attempts": 1})
