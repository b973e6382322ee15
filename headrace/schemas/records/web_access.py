"""`web_access.v1`: one request to a web server, as its access log tells it."""

from typing import Annotated

from msgspec import Meta, Struct

from headrace.schemas.record_type import PII, RecordType

METHOD_PATTERN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?!\n)$"
"""An RFC 9110 token; Python's `$` alone would let a line end through."""

Method = Annotated[
    str,
    Meta(max_length=255, extra={"pattern": METHOD_PATTERN}, extra_json_schema={"pattern": METHOD_PATTERN}),
]

Short = Annotated[str, Meta(max_length=255)]
Long = Annotated[str, Meta(max_length=32_768)]


class WebAccess(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The event time is the envelope's; null is the log's `-`."""

    client_address: Annotated[
        Short | None, Meta(description="IPv4 or IPv6 address, or host name, of the client"), PII
    ]
    user: Annotated[Short | None, Meta(description="the authenticated user"), PII] = None
    method: Annotated[
        Method | None,
        Meta(description="the request's method, a token; null when no request was read"),
    ]
    path: Annotated[Long | None, Meta(description="the request's target up to the first '?'")]
    query: Annotated[Long | None, Meta(description="the request's target after the first '?'"), PII] = None
    protocol: Annotated[Short | None, Meta(description="such as HTTP/1.1; null for an HTTP/0.9 request")] = (
        None
    )
    status: Annotated[
        Annotated[int, Meta(ge=0, le=999)] | None,
        Meta(
            description="the answer's status; servers also log codes that no standard has, such as 000 or 999"
        ),
    ]
    bytes: Annotated[
        Annotated[int, Meta(ge=0, le=2**53 - 1)] | None,
        Meta(description="size of the answer in bytes; null, not 0, when the server logged none"),
    ] = None
    referer: Annotated[Long | None, Meta(description="the Referer header"), PII] = None
    user_agent: Annotated[Long | None, Meta(description="the User-Agent header")] = None


WEB_ACCESS = RecordType(
    name="web_access.v1",
    data=WebAccess,
    description="One request to a web server, as its access log tells it.",
)
