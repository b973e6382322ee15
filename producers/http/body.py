"""Cuts the body of a request into its records: NDJSON, CloudEvents one by one, in a batch, or in headers."""

import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from producers.http.answer import Answer, problem

NDJSON, EVENT, BATCH = (
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)
_BINARY = "application/json"  # CloudEvents' binary mode: the attributes are headers, the body is the data
_GZIP = 16 + zlib.MAX_WBITS
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Limits(NamedTuple):
    """What one request may bring."""

    body_bytes: int
    """Of the body, also once it is unpacked."""

    body_records: int
    record_bytes: int


def kind_of(headers: Mapping[str, str]) -> str | Answer:
    """The media type of a body that is understood, or 415."""
    media_type, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    charset = [part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset")]
    known = media_type in (NDJSON, EVENT, BATCH) or (media_type == _BINARY and "ce-specversion" in headers)
    if not known or any(name != "utf-8" for name in charset):
        detail = f"the Content-Type is one of {NDJSON}, {BATCH}, {EVENT}, in UTF-8"
        return problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, (("Accept-Post", f"{NDJSON}, {BATCH}, {EVENT}"),)
        )
    if headers.get("content-encoding", "identity").lower() not in ("identity", "gzip"):
        return problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the Content-Encoding is gzip, or none",
            (("Accept-Encoding", "gzip"),),
        )
    return media_type


def records(media_type: str, headers: Mapping[str, str], body: bytes, limits: Limits) -> list[bytes] | Answer:
    """Each record as it came, without line breaks; not yet judged."""
    plain = _unpacked(body, limits) if headers.get("content-encoding", "").lower() == "gzip" else body
    if isinstance(plain, Answer):
        return plain
    try:
        found = _cut(media_type, headers, plain)
    except _NO_JSON as error:
        return problem(HTTPStatus.BAD_REQUEST, f"the body is not what its Content-Type says: {_short(error)}")
    if len(found) > limits.body_records:
        detail = f"{len(found):,} records in one body, of which {limits.body_records:,} are allowed"
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    for index, record in enumerate(found):
        if len(record) > limits.record_bytes:
            detail = f"record {index} has {len(record):,} bytes, of which {limits.record_bytes:,} are allowed"
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return found


def body_too_large(limits: Limits) -> Answer:
    """413 for a body."""
    detail = f"the body has more than {limits.body_bytes:,} bytes"
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _cut(media_type: str, headers: Mapping[str, str], body: bytes) -> list[bytes]:
    """Raises one of _NO_JSON."""
    if media_type == NDJSON:
        return [line for line in body.split(b"\n") if line and not line.isspace()]
    if media_type == BATCH:
        return [_in_one_line(bytes(element)) for element in _batch(body)]
    if media_type == EVENT:
        return [_in_one_line(body)]
    return [_from_headers(headers, body)]


def _in_one_line(text: bytes) -> bytes:
    """JSON without its line breaks; all else stays as it is written."""
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text


def _from_headers(headers: Mapping[str, str], data: bytes) -> bytes:
    """Source: CloudEvents, HTTP protocol binding 1.0.2, section 3.1."""
    msgspec.json.decode(data)
    attributes: dict[str, object] = {
        name[3:]: unquote(value.strip('"')) for name, value in headers.items() if name.startswith("ce-")
    }
    return msgspec.json.encode(attributes | {"data": msgspec.Raw(_in_one_line(data))})


def _unpacked(body: bytes, limits: Limits) -> bytes | Answer:
    """A gzip body, of one member or several; it never grows past the limit."""
    found = b""
    while body:
        member = zlib.decompressobj(_GZIP)
        try:
            found += member.decompress(body, limits.body_bytes + 1 - len(found))
        except zlib.error as error:
            return problem(HTTPStatus.BAD_REQUEST, f"the body is no gzip: {_short(error)}")
        if len(found) > limits.body_bytes:
            return body_too_large(limits)
        if not member.eof:
            return problem(HTTPStatus.BAD_REQUEST, "the body is no gzip: it ends too early")
        body = member.unused_data
    return found


def _short(error: Exception) -> str:
    return str(error).encode(errors="replace").decode()[:150]
