from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from headrace.errors import SettingsError
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.engines import redshift
from headrace.warehouse.engines.redshift_address import Address
from headrace.warehouse.engines.redshift_staging import Staging
from headrace.warehouse.opening import open_session
from headrace.warehouse.staging import arrow_schema
from tests.warehouse.engines.statements import Statements

ROLE = "arn:aws:iam::123456789012:role/headrace-prod-copy"
OPTIONS = f"workgroup=headrace-prod&region=eu-west-1&staging=s3://stage/loads&copy_role={ROLE}"
URL = f"redshift://wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439/headrace?{OPTIONS}"
HOST = "wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com"
PARTS = Address(HOST, 5439, "headrace", "headrace-prod", "eu-west-1", "stage", "loads", ROLE)


def test_an_address_has_all_its_parts() -> None:
    assert Address.of(URL) == PARTS
    assert Address.of(URL.replace(":5439", "").replace("/loads", "")) == PARTS._replace(prefix="")


@pytest.mark.parametrize(
    "url",
    [
        URL.replace(f"copy_role={ROLE}", ""),
        URL.replace("workgroup=headrace-prod&", ""),
        URL.replace("s3://stage", "gs://stage"),
        URL.replace("s3://stage", "stage"),
        URL.replace("/headrace?", "?"),
        URL.replace("5439", "x"),
        URL.replace("redshift://", "redshift://user:secret@"),
        URL + "&more=1",
        "redshift://",
    ],
)
def test_an_address_that_lacks_a_part_or_has_another_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="HEADRACE_WAREHOUSE_URL") as raised:
        open_session(url)
    assert "secret" not in str(raised.value)


def client(service: str) -> Any:
    connect: Any = boto3.client
    return connect(service, region_name="eu-west-1", aws_access_key_id="any", aws_secret_access_key="any")


def test_whoever_the_aws_credentials_stand_for_logs_in_over_verified_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serverless = client("redshift-serverless")
    monkeypatch.setattr(redshift, "client", lambda _service, _address: serverless)
    with Stubber(serverless) as stub:
        stub.add_response(
            "get_credentials",
            {"dbUser": "IAMR:headrace-prod-job", "dbPassword": "for a quarter of an hour"},
            {"workgroupName": "headrace-prod", "dbName": "headrace"},
        )
        assert redshift.login(PARTS) == {
            "host": HOST,
            "port": 5439,
            "database": "headrace",
            "user": "IAMR:headrace-prod-job",
            "password": "for a quarter of an hour",
            "ssl": True,
            "sslmode": "verify-full",
        }


def test_no_credentials_are_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    serverless = client("redshift-serverless")
    monkeypatch.setattr(redshift, "client", lambda _service, _address: serverless)
    with Stubber(serverless) as stub:
        stub.add_client_error("get_credentials", "AccessDeniedException", http_status_code=403)
        with pytest.raises(SettingsError, match="headrace-prod"):
            open_session(URL).prepare(list(OUTPUTS.values()))


def test_what_is_put_and_removed_is_what_s3_takes() -> None:
    """Requests are checked against botocore's model of S3."""
    table = next(iter(OUTPUTS.values())).table()
    s3, statements = client("s3"), Statements(answer=(0,))
    rows = arrow_schema(table).empty_table()
    with Stubber(s3) as stub:
        keys = [f"loads/folder/stage_x{end}" for end in ("-00000.parquet", "-00001.parquet", ".manifest")]
        for key in keys:
            stub.add_response("put_object", {}, {"Bucket": "stage", "Key": key, "Body": ANY})
        deleted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        stub.add_response("delete_objects", {}, {"Bucket": "stage", "Delete": deleted})
        staging = Staging(PARTS, lambda: s3, folder=lambda: "folder")
        staging.stage(statements, table, "stage_x", [rows, rows])
        staging.end()
        staging.end()
        stub.assert_no_pending_responses()
    [copy] = [text for text in statements.sent if text.startswith("COPY")]
    assert copy == (
        "COPY \"stage_x__plain\" FROM 's3://stage/loads/folder/stage_x.manifest' "
        f"IAM_ROLE '{ROLE}' FORMAT AS PARQUET MANIFEST"
    )
