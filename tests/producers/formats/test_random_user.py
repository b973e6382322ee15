from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schemas.codec import Event, Rejection, decode
from headrace.schemas.records.user_signup import UserSignup
from producers.formats.random_user import FORMAT, parse
from producers.line_format import NO_SHIFT
from producers.sources.random_user import KEPT
from tests.doubles.random_user import People

SEAL = FORMAT.sealer(None, NO_SHIFT)
POLLED = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
UUID = "0b3328f9-8126-4b73-b190-0e8da2fe9a23"
FULL: dict[str, Any] = {
    "gender": "female",
    "name": {"title": "Ms", "first": "Zoë", "last": "O'Néill"},
    "location": {
        "street": {"number": 12, "name": "High Street"},
        "city": "Oban",
        "state": "Argyll",
        "country": "United Kingdom",
        "postcode": "PA34 4AB",
        "coordinates": {"latitude": "-49.3168", "longitude": "150.2648"},
        "timezone": {"offset": "-6:00", "description": "Mexico City"},
    },
    "email": "zoe@example.com",
    "login": {"uuid": UUID.upper(), "username": "zoe1"},
    "dob": {"date": "1975-01-10T16:09:54.844Z", "age": 47},
    "registered": {"date": "2017-03-06T10:45:59.363Z"},
    "phone": "01 234",
    "cell": "07 234",
    "nat": "GB",
    "picture": {"large": "https://example.com/1.jpg"},
}


def line_of(person: object, **changes: object) -> bytes:
    """A line of a person, with what stands at some paths (`login__uuid`) replaced."""
    copy: Any = msgspec.json.decode(msgspec.json.encode(person))
    for path, value in changes.items():
        *above, last = path.split("__")
        level = copy
        for name in above:
            level = level.setdefault(name, {})
        level[last] = value
    return msgspec.json.encode({"polled_at": POLLED, "person": copy})


def read(line: bytes) -> UserSignup:
    found = parse(line)
    assert not isinstance(found, Rejection), found
    return found[1]


def test_a_person_in_full() -> None:
    assert parse(line_of(FULL)) == (
        POLLED,
        UserSignup(
            user_id=UUID,
            gender="female",
            title="Ms",
            first_name="Zoë",
            last_name="O'Néill",
            street_number="12",
            street_name="High Street",
            city="Oban",
            state="Argyll",
            country="United Kingdom",
            postcode="PA34 4AB",
            latitude_microdegrees=-49_316_800,
            longitude_microdegrees=150_264_800,
            timezone_offset="-6:00",
            timezone="Mexico City",
            email="zoe@example.com",
            username="zoe1",
            born="1975-01-10",
            age=47,
            registered_on="2017-03-06",
            phone="01 234",
            cell="07 234",
            nationality="GB",
            picture_url="https://example.com/1.jpg",
        ),
    )


def test_every_made_up_person_is_a_record_at_the_time_of_the_poll() -> None:
    for person in People(3).some(50):
        sealed = SEAL(line_of(person), "web-7/1", 1)
        assert isinstance(sealed, bytes), sealed
        event = decode(sealed)
        assert isinstance(event, Event)
        assert event.time == POLLED


def test_only_the_uuid_is_needed() -> None:
    assert read(line_of({"login": {"uuid": UUID}})) == UserSignup(user_id=UUID)
    nulls = dict.fromkeys(("name", "location", "dob", "registered", "picture", "email"))
    assert read(line_of(nulls | {"login": {"uuid": UUID}})) == UserSignup(user_id=UUID)


def test_keys_that_the_api_adds_do_no_harm() -> None:
    assert read(line_of(FULL, shoe_size=38, name__middle="Q", location__street__floor=3)) == read(
        line_of(FULL)
    )


@pytest.mark.parametrize(
    ("postcode", "text"), [(9841, "9841"), ("01234", "01234"), ("SW1A 1AA", "SW1A 1AA"), (None, None)]
)
def test_a_postcode_is_a_text_whichever_the_country(postcode: object, text: str | None) -> None:
    signup = read(line_of(FULL, location__postcode=postcode, location__street__number=postcode))
    assert (signup.postcode, signup.street_number) == (text, text)


@pytest.mark.parametrize(
    ("degrees", "microdegrees"),
    [
        ("0", 0),
        ("-0.0000004", 0),
        ("12.3456789", 12_345_679),
        (45, 45_000_000),
        (-12.5, -12_500_000),
        (None, None),
    ],
)
def test_coordinates_are_texts_or_numbers_and_become_millionths(
    degrees: object, microdegrees: int | None
) -> None:
    signup = read(line_of(FULL, location__coordinates__latitude=degrees))
    assert signup.latitude_microdegrees == microdegrees


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        (line_of({"login": {"username": "zoe1"}}), "$.person.login", "missing required field `uuid`"),
        (line_of({}), "$.person", "missing required field `login`"),
        (line_of(""), "$.person", "Expected `object`, got `str`"),
        (b'{"polled_at":"2026-01-02T03:04:05Z","person":[]}', "$.person", "Expected `object`, got `array`"),
        (b'{"person":{}}', "$.person", "missing required field `login`"),
        (line_of(FULL, email={}), "$.person.email", "got `object`"),
        (line_of(FULL, location__postcode=True), "$.person.location.postcode", "got `bool`"),
        (
            line_of(FULL, location__coordinates__latitude="north"),
            "$.person.location.coordinates.latitude",
            "number",
        ),
        (
            line_of(FULL, location__coordinates__longitude="NaN"),
            "$.person.location.coordinates.longitude",
            "number",
        ),
        (
            line_of(FULL, location__coordinates__longitude="1e99"),
            "$.person.location.coordinates.longitude",
            "number",
        ),
        (line_of(FULL, location__coordinates__latitude="90.1"), "$.data.latitude_microdegrees", "90000000"),
        (line_of(FULL, dob__date="10 January"), "$.data.born", ""),
        (line_of(FULL, dob__date="1975-02-30T00:00:00Z"), "$.data.born", ""),
        (line_of(FULL, login__uuid="zoe"), "$.data.user_id", ""),
        (line_of(FULL, phone="1" * 65), "$.data.phone", "64"),
        (b"nonsense", "$", "JSON is malformed"),
        (b"\xff", "$", ""),
        (b"[" * 100_000, "$", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_path(line: bytes, path: str, message: str) -> None:
    found = SEAL(line, "s", 1)
    assert isinstance(found, Rejection)
    assert (found.errors[0].path, found.raw) == (path, line)
    assert message in found.errors[0].message


def test_the_source_lets_through_exactly_what_the_format_reads() -> None:
    whole = read(line_of(FULL))
    for path in KEPT:
        if path != "login.uuid":
            assert read(line_of(FULL, **{path.replace(".", "__"): None})) != whole


@given(
    st.dictionaries(
        st.sampled_from(sorted({path.split(".")[0] for path in KEPT})),
        st.none()
        | st.integers()
        | st.text(max_size=5)
        | st.dictionaries(
            st.sampled_from([p.split(".")[-1] for p in KEPT]),
            st.integers() | st.text(max_size=5) | st.floats(),
        ),
    )
)
def test_whatever_a_person_holds_it_becomes_a_record_or_a_rejection_that_keeps_it(
    person: dict[str, Any],
) -> None:
    line = line_of({"login": {"uuid": UUID}} | person)
    fate = SEAL(line, "s", 1)
    assert isinstance(fate, bytes) or fate.raw == line
    FORMAT.time_of(line)
