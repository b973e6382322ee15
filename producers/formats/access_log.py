r"""The grammar of access-log lines, Common and Combined Log Format, told apart line by line.

    line     = client SP ident SP user SP "[" time "]" SP request SP status SP bytes
               [SP referer SP agent] [CR]
    client   = "-" | IPv4 address | IPv6 address ["%" zone] | host name
    ident    = text without blanks                      (read and left out: hardly a server fills it)
    user     = "-" | text without blanks
    time     = 2DIGIT "/" month "/" 4DIGIT ":" 2DIGIT ":" 2DIGIT ":" 2DIGIT SP ("+" | "-") 4DIGIT   (hhmm)
    month    = "Jan" | "Feb" | ... | "Dec"              (English, whatever the locale)
    request  = DQUOTE ["-" | method SP target [SP protocol]] DQUOTE
    method   = RFC 9110 token
    target   = quoted text; its path ends at the first "?", where the query begins
    protocol = letters "/" digits ["." digits]          (absent in HTTP/0.9)
    status   = "-" | 3DIGIT
    bytes    = "-" | 1*19DIGIT
    referer, agent = DQUOTE quoted text DQUOTE

`-` is null, in a quoted field too; an empty quoted field is an empty text. A request of `-` or of nothing is
one that the server never got to read (a time-out, 408, or a closed connection): such a line is a record, and
its method and path are null. Inside quotes a backslash escapes: `\"`, `\\`, `\xhh` (one byte), `\b`, `\n`,
`\r`, `\t`, `\v`; before anything else it stands for itself. Bytes that are no UTF-8, escaped or not, are read
as U+FFFD.

A line that does not fit is rejected, and the rejection says where it stopped fitting. How long a text may be
and which years are taken is for the codec to say.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from headrace.schemas.codec import Rejection
from headrace.schemas.records.web_access import WebAccess
from producers.line_format import LineFormat, parsed, parsed_time, unparsable

RECORD_TYPE = "web_access.v1"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ESCAPES = {b'"': b'"', b"\\": b"\\", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}

_METHOD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'[^"\\]*+(?:\\.[^"\\]*+)*'  # no group is possessive: Python 3.11 mismatches some of those
_PROTOCOL = r"[A-Za-z]++/[0-9]++(?:\.[0-9]++)?"
_COMMON = (
    (
        "a client address",
        r"((?:[0-9A-Za-z._-]++|(?=[^ ]*:[^ ]*:)[0-9A-Fa-f:.]++(?:%[0-9A-Za-z._-]++)?)(?= ))",
    ),
    ("an ident", r" [^ ]++"),
    ("a user", r" ([^ ]++)"),
    (
        "a time in brackets",
        r" \[([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{2}[0-5][0-9])\]",
    ),
    (
        "a request in quotes",
        rf' "(?:({_METHOD}) ([^ "\\]++)(?: ({_PROTOCOL}))?(?=")|(-?(?=")|{_METHOD} {_QUOTED}))"',
    ),
    ("a status", r" ([0-9]{3}|-)(?= )"),
    ("a size in bytes", r" ([0-9]{1,19}|-)(?![0-9])"),
)
_REFERER = rf' "({_QUOTED})"(?= )'
_USER_AGENT = rf' "({_QUOTED})"'
_END = r"\r?\Z"
_LINE = re.compile(
    f"{''.join(pattern for _, pattern in _COMMON)}(?:{_REFERER}{_USER_AGENT})?{_END}",
    re.DOTALL,
)
_STEPS = tuple(
    (what, re.compile(pattern, re.DOTALL))
    for what, pattern in (
        *_COMMON,
        ("a referer in quotes, or the end of the line", _REFERER),
        ("a user agent in quotes", _USER_AGENT),
        ("the end of the line", _END),
    )
)
_PROTOCOL_AT_END = re.compile(rf" ({_PROTOCOL})\Z")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)


def parse(line: bytes) -> tuple[datetime, WebAccess] | Rejection:
    """The event time in UTC and the record of one line (without its line feed), or why it is none."""
    text = line.decode(errors="surrogateescape")
    match = _LINE.match(text)
    if match is None:
        return _unfit(line, *_where_it_stops(text))
    client, user, time, method, target, protocol, request, status, size, referer, agent = match.groups()
    instant = _instant(time)
    if instant is None:
        return _unfit(line, match.start(3), "a date and time that exist")
    if request not in {None, "", "-"}:
        method, target, protocol = _split(request)
    path, mark, query = target.partition("?") if target is not None else (None, "", None)
    record = WebAccess(
        client_address=None if client == "-" else client,
        user=_value(user),
        method=_value(method),
        path=_value(path),
        query=_value(query) if mark else None,
        protocol=protocol,
        status=None if status == "-" else int(status),
        bytes=None if size == "-" else int(size),
        referer=_value(referer),
        user_agent=_value(agent),
    )
    return instant, record


def _value(field: str | None) -> str | None:
    """A field as text: `-` is null; escapes, and bytes that are no UTF-8, are resolved."""
    if field is None or field == "-":
        return None
    if field.isascii() and "\\" not in field:
        return field
    return _ESCAPE.sub(_unescape, field.encode(errors="surrogateescape")).decode(errors="replace")


def _unescape(escape: re.Match[bytes]) -> bytes:
    digits, character = escape.groups()
    if digits is not None:
        return bytes.fromhex(digits.decode())
    return _ESCAPES.get(character, escape.group())


def _split(request: str) -> tuple[str, str, str | None]:
    """(method, target, protocol) of a request whose target has blanks or escapes in it."""
    method, _, target = request.partition(" ")
    protocol = _PROTOCOL_AT_END.search(target)
    return method, target[: protocol.start()] if protocol else target, protocol[1] if protocol else None


@lru_cache(maxsize=4096)
def _instant(time: str) -> datetime | None:
    """`17/May/2015:10:05:03 +0000` in UTC; None for a day or an hour that does not exist."""
    offset = timedelta(hours=int(time[22:24]), minutes=int(time[24:26]))
    try:
        return datetime(
            year=int(time[7:11]),
            month=_MONTHS.index(time[3:6]) + 1,
            day=int(time[:2]),
            hour=int(time[12:14]),
            minute=int(time[15:17]),
            second=int(time[18:20]),
            tzinfo=timezone(-offset if time[21] == "-" else offset),
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _where_it_stops(text: str) -> tuple[int, str]:
    """(position, what was expected there) of a line that does not fit."""
    position = 0
    for what, pattern in _STEPS:
        match = pattern.match(text, position)
        if match is None:
            return position, what
        position = match.end()
    return position, "a line that fits"  # not reached: the steps are the parts of `_LINE`


def _unfit(line: bytes, position: int, expected: str) -> Rejection:
    at = len(line.decode(errors="surrogateescape")[:position].encode(errors="surrogateescape"))
    return unparsable(line, f"expected {expected}", RECORD_TYPE, at=f"byte {at}")


FORMAT = LineFormat(record_type=RECORD_TYPE, sealer=parsed(parse), time_of=parsed_time(parse))
