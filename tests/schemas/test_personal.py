from typing import Annotated

import pytest
from msgspec import Meta, defstruct

from headrace.schemas.record_type import PII, RecordType
from headrace.schemas.registry import OUTPUTS, RECORD_TYPES
from tests.schemas.test_record_type import schema_hash

PERSONAL: dict[str, set[str]] = {
    "web_access.v1": {"client_address", "user", "query", "referer"},
    "reject.v1": {"raw"},
    "user_signup.v1": {
        "user_id",
        "first_name",
        "last_name",
        "street_number",
        "street_name",
        "city",
        "postcode",
        "latitude_microdegrees",
        "longitude_microdegrees",
        "email",
        "username",
        "born",
        "phone",
        "cell",
        "picture_url",
    },
    "wiki_edit.v1": {"title", "user", "comment", "page_url"},
}
TELLING = {"address", "born", "cell", "city", "client", "comment", "email", "first", "last", "mail", "mobile"}
TELLING |= {"name", "person", "phone", "picture", "postcode", "street", "user", "username"}
HARMLESS = {
    ("web_access.v1", "user_agent"),
    ("wiki_edit.v1", "server_name"),
    ("loan_origination.v1", "first_payment_date"),
    ("loan_origination.v1", "first_time_homebuyer_indicator"),
    ("loan_origination.v1", "seller_name"),  # companies
    ("loan_origination.v1", "servicer_name"),
    ("loan_performance.v1", "servicer_name"),
}


@pytest.mark.parametrize("record_type", RECORD_TYPES.values(), ids=lambda kind: kind.name)
def test_the_personal_fields_are_those_listed_here(record_type: RecordType) -> None:
    assert {field.name for field in record_type.fields if field.pii} == PERSONAL.get(record_type.name, set())


@pytest.mark.parametrize("record_type", RECORD_TYPES.values(), ids=lambda kind: kind.name)
def test_a_field_that_by_its_name_tells_of_a_person_is_marked(record_type: RecordType) -> None:
    telling = {field.name for field in record_type.fields if TELLING & set(field.name.split("_"))}
    marked = {field.name for field in record_type.fields if field.pii}
    assert {(record_type.name, name) for name in telling - marked} <= HARMLESS


def test_no_secret_of_a_user_has_a_field() -> None:
    names = {field.name for field in RECORD_TYPES["user_signup.v1"].fields}
    assert not names & {"password", "salt", "md5", "sha1", "sha256", "id", "national_id"}


def test_no_table_of_windows_is_grouped_by_a_personal_field() -> None:
    for output in OUTPUTS.values():
        assert not [key.name for key in output.keys if output.record_type.field(key.field).pii]


def test_a_mark_changes_nothing_that_travels() -> None:
    text = Annotated[str, Meta(max_length=9)]
    plain = defstruct("Data", [("name", text | None)], forbid_unknown_fields=True)
    marked = defstruct("Data", [("name", Annotated[text | None, PII])], forbid_unknown_fields=True)
    plain_type, marked_type = (RecordType("thing.v1", data, "a thing") for data in (plain, marked))

    assert (plain_type.field("name").pii, marked_type.field("name").pii) == (False, True)
    assert schema_hash(plain_type) == schema_hash(marked_type)
