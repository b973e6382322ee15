import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
)

from headrace.errors import SettingsError, WarehouseRefused, WarehouseUnavailable
from headrace.warehouse.aws_faults import asked


def refusal(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal("SlowDown", 503), WarehouseUnavailable),
        (refusal("InternalError", 500), WarehouseUnavailable),
        (refusal("ThrottlingException", 400), WarehouseUnavailable),
        (refusal("RequestTimeout", 400), WarehouseUnavailable),
        (refusal("ActiveSessionsExceededException", 400), WarehouseUnavailable),
        (ConnectTimeoutError(endpoint_url="https://s3"), WarehouseUnavailable),
        (refusal("ValidationException", 400), WarehouseRefused),
        (refusal("AccessDenied", 403), SettingsError),
        (refusal("NoSuchBucket", 404), SettingsError),
        (refusal("ExpiredTokenException", 403), SettingsError),
        (NoCredentialsError(), SettingsError),
        (NoRegionError(), SettingsError),
        (ParamValidationError(report="no bucket is called so"), SettingsError),
    ],
)
def test_what_aws_refuses_is_a_setting_and_what_it_cannot_do_now_is_retryable(
    error: Exception, expected: type[Exception]
) -> None:
    def call() -> None:
        raise error

    with pytest.raises(expected, match="staging: ") as raised:
        asked(call, "staging")
    assert type(raised.value) is expected


def test_an_answer_is_handed_on() -> None:
    assert asked(lambda: 7, "staging") == 7
