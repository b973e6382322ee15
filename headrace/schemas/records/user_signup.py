"""`user_signup.v1`: one person who signed up, as a source of users such as the random-user API tells it."""

from typing import Annotated

from msgspec import Meta, Struct

from headrace.schemas.record_type import PII, RecordType

UUID_PATTERN = r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\n)$"
"""One spelling per user: the key of a record must not depend on who wrote it."""

_YEAR = r"(?:1[89]|2[01])[0-9]{2}"
_LEAP_YEAR = r"(?:(?:1[89]|2[01])(?:0[48]|[2468][048]|[13579][26])|2000)"
_DAYS = (
    r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
    r"02-(?:0[1-9]|1[0-9]|2[0-8])"
)
DATE_PATTERN = rf"^(?:{_YEAR}-(?:{_DAYS})|{_LEAP_YEAR}-02-29)(?!\n)$"
"""A day of the calendar from 1800-01-01 to 2199-12-31, as YYYY-MM-DD: every target casts it to a date."""

UserId = Annotated[
    str, Meta(max_length=36, extra={"pattern": UUID_PATTERN}, extra_json_schema={"pattern": UUID_PATTERN})
]
Date = Annotated[
    str, Meta(max_length=10, extra={"pattern": DATE_PATTERN}, extra_json_schema={"pattern": DATE_PATTERN})
]
Word = Annotated[str, Meta(max_length=64)]
Short = Annotated[str, Meta(max_length=255)]
Url = Annotated[str, Meta(max_length=2_048)]


class UserSignup(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The event time, the envelope's, is when the sign-up was seen: the poll's time where a source is polled.

    `registered_on` is the user's own past and may lie years before. Passwords, their hashes and salts, and
    national identity numbers have no field: they are not to travel. A place is in integer microdegrees (about
    11 cm), because integers are exact and may be null, where floats may not.
    """

    user_id: Annotated[UserId, Meta(description="the user's UUID, in lower case"), PII]
    gender: Annotated[Word | None, Meta(description="as the source says it, such as female")] = None
    title: Annotated[Word | None, Meta(description="form of address, such as Ms")] = None
    first_name: Annotated[Short | None, Meta(description="given name"), PII] = None
    last_name: Annotated[Short | None, Meta(description="family name"), PII] = None
    street_number: Annotated[
        Word | None, Meta(description="number of the house, a text: some have letters"), PII
    ] = None
    street_name: Annotated[Short | None, Meta(description="street of the address"), PII] = None
    city: Annotated[Short | None, Meta(description="city of the address"), PII] = None
    state: Annotated[Short | None, Meta(description="state, province or canton of the address")] = None
    country: Annotated[Short | None, Meta(description="country of the address, by name")] = None
    postcode: Annotated[
        Word | None, Meta(description="a text always: some have letters, some begin with 0"), PII
    ] = None
    latitude_microdegrees: Annotated[
        Annotated[int, Meta(ge=-90_000_000, le=90_000_000)] | None,
        Meta(description="latitude in millionths of a degree, north is positive: exact, and null if unknown"),
        PII,
    ] = None
    longitude_microdegrees: Annotated[
        Annotated[int, Meta(ge=-180_000_000, le=180_000_000)] | None,
        Meta(description="longitude in millionths of a degree, east is positive: exact, and null if unknown"),
        PII,
    ] = None
    timezone_offset: Annotated[Word | None, Meta(description="offset from UTC, such as -6:00")] = None
    timezone: Annotated[Short | None, Meta(description="places in that time zone, by name")] = None
    email: Annotated[
        Annotated[str, Meta(max_length=320)] | None, Meta(description="electronic mail address"), PII
    ] = None
    username: Annotated[Short | None, Meta(description="the name to log in with"), PII] = None
    born: Annotated[Date | None, Meta(description="date of birth, YYYY-MM-DD"), PII] = None
    age: Annotated[
        Annotated[int, Meta(ge=0, le=200)] | None, Meta(description="years of age when the source was read")
    ] = None
    registered_on: Annotated[
        Date | None, Meta(description="date since which the source knows the user, YYYY-MM-DD; no event time")
    ] = None
    phone: Annotated[Word | None, Meta(description="telephone number as written in its country"), PII] = None
    cell: Annotated[Word | None, Meta(description="mobile number as written in its country"), PII] = None
    nationality: Annotated[
        Annotated[str, Meta(max_length=8)] | None, Meta(description="ISO 3166 code of the nationality")
    ] = None
    picture_url: Annotated[Url | None, Meta(description="where the largest portrait is"), PII] = None


USER_SIGNUP = RecordType(
    name="user_signup.v1",
    data=UserSignup,
    description="One person who signed up, as a source of users such as the random-user API tells it.",
    partition_key="user_id",
)
