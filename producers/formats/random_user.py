"""People as the random-user source gives them: `{"polled_at": "2026-01-02T03:04:05Z", "person": {...}}`.

A person has a `login.uuid`, and whatever is there of gender, name (title, first, last), email, phone, cell,
nat, login.username, dob (date, age), registered.date, picture.large and location (street with number and
name, city, state, country, postcode, coordinates with latitude and longitude, timezone with offset and
description).

The event time is that of the poll. A postcode and a house's number become texts, whichever they are: some
have letters. Of a birth and a registration the day is kept. Coordinates are texts or numbers in degrees, and
are rounded to millionths. A key that is not listed does no harm: the API grows.
"""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from headrace.schemas.codec import Rejection
from headrace.schemas.complaints import split_path
from headrace.schemas.records.user_signup import UserSignup
from producers.line_format import LineFormat, parsed, parsed_time, unparsable

RECORD_TYPE = "user_signup.v1"

_LARGEST_DEGREES = 1000  # the codec says which are on the globe
_DAY = len("2026-01-02")


class _Name(Struct):
    title: str | None = None
    first: str | None = None
    last: str | None = None


class _Street(Struct):
    number: str | int | None = None
    name: str | None = None


class _Coordinates(Struct):
    latitude: str | float | None = None
    longitude: str | float | None = None


class _Timezone(Struct):
    offset: str | None = None
    description: str | None = None


class _Location(Struct):
    street: _Street | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    postcode: str | int | None = None
    coordinates: _Coordinates | None = None
    timezone: _Timezone | None = None


class _Login(Struct):
    uuid: str
    username: str | None = None


class _Birth(Struct):
    date: str | None = None
    age: int | None = None


class _Registration(Struct):
    date: str | None = None


class _Picture(Struct):
    large: str | None = None


class _Person(Struct):
    login: _Login
    gender: str | None = None
    name: _Name | None = None
    location: _Location | None = None
    email: str | None = None
    dob: _Birth | None = None
    registered: _Registration | None = None
    phone: str | None = None
    cell: str | None = None
    nat: str | None = None
    picture: _Picture | None = None


class _Line(Struct):
    polled_at: Annotated[datetime, Meta(tz=True)]
    person: _Person


_decode = msgspec.json.Decoder(_Line).decode


def parse(line: bytes) -> tuple[datetime, UserSignup] | Rejection:
    """The poll's time and the record of one line, or why it is none."""
    try:
        read = _decode(line)
        return read.polled_at, _record(read.person)
    except msgspec.ValidationError as error:
        path, message = split_path(str(error), "$")
        return unparsable(line, message, RECORD_TYPE, at=path)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return unparsable(line, str(error), RECORD_TYPE)


def _record(person: _Person) -> UserSignup:
    """Raises msgspec.ValidationError for coordinates that are none."""
    name = person.name or _Name()
    place = person.location or _Location()
    street = place.street or _Street()
    coordinates = place.coordinates or _Coordinates()
    zone = place.timezone or _Timezone()
    birth = person.dob or _Birth()
    return UserSignup(
        user_id=person.login.uuid.lower(),
        gender=person.gender,
        title=name.title,
        first_name=name.first,
        last_name=name.last,
        street_number=_text(street.number),
        street_name=street.name,
        city=place.city,
        state=place.state,
        country=place.country,
        postcode=_text(place.postcode),
        latitude_microdegrees=_microdegrees(coordinates.latitude, "latitude"),
        longitude_microdegrees=_microdegrees(coordinates.longitude, "longitude"),
        timezone_offset=zone.offset,
        timezone=zone.description,
        email=person.email,
        username=person.login.username,
        born=_day(birth.date),
        age=birth.age,
        registered_on=_day(person.registered.date if person.registered else None),
        phone=person.phone,
        cell=person.cell,
        nationality=person.nat,
        picture_url=person.picture.large if person.picture else None,
    )


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def _day(time: str | None) -> str | None:
    """The day of an RFC 3339 time; what is none goes on as it is, for the codec to judge."""
    return time[:_DAY] if time is not None and time[_DAY : _DAY + 1] in {"T", "t", " "} else time


def _microdegrees(degrees: str | float | None, name: str) -> int | None:
    if degrees is None:
        return None
    try:
        value = Decimal(str(degrees))
        if abs(value) <= _LARGEST_DEGREES:
            return int((value * 1_000_000).to_integral_value())
    except InvalidOperation:
        pass
    raise msgspec.ValidationError(f"Expected degrees, a number - at `$.person.location.coordinates.{name}`")


FORMAT = LineFormat(record_type=RECORD_TYPE, sealer=parsed(parse), time_of=parsed_time(parse))
