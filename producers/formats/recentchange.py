"""Events of Wikimedia's `recentchange` feed (schema mediawiki/recentchange 1.0.0), one JSON object each.

An event has a `meta.id`, a `wiki` and a `type`; all else may be missing or null, and what is not listed here
is left out: the schema grows. The event time is `meta.dt`, or else `timestamp` (whole seconds).

Canary events (`meta.domain` is `canary`) are the feed's heartbeats. They tell of no change and are rejected,
so that no output counts them and each of their numbers is accounted for; the public feed hardly sends any.
"""

import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from headrace.schemas.codec import Rejection
from headrace.schemas.complaints import split_path
from headrace.schemas.records.wiki_edit import WikiEdit, length_delta
from producers.line_format import LineFormat, parsed, parsed_time, unparsable

RECORD_TYPE = "wiki_edit.v1"

_CANARY = "canary"
_FINER_THAN_MICROSECONDS = re.compile(r"([.][0-9]{6})[0-9]+")


class _Meta(Struct):
    id: str
    dt: str | None = None
    domain: str | None = None
    uri: str | None = None


class _Pair(Struct):
    old: int | None = None
    new: int | None = None


class _Change(Struct):
    meta: _Meta
    wiki: str
    type: str
    id: int | None = None
    timestamp: int | None = None
    title: str | None = None
    title_url: str | None = None
    namespace: int | None = None
    user: str | None = None
    bot: bool | None = None
    minor: bool | None = None
    patrolled: bool | None = None
    comment: str | None = None
    length: _Pair | None = None
    revision: _Pair | None = None
    log_id: int | None = None
    log_type: str | None = None
    log_action: str | None = None
    server_name: str | None = None


_decode = msgspec.json.Decoder(_Change).decode
_Instant = Annotated[datetime, Meta(tz=True)]


def parse(line: bytes) -> tuple[datetime, WikiEdit] | Rejection:
    """The event time in UTC and the record of one event, or why it is none."""
    try:
        change = _decode(line)
        time = _time(change)
    except msgspec.ValidationError as error:
        path, message = split_path(str(error), "$")
        return unparsable(line, message, RECORD_TYPE, at=path)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return unparsable(line, str(error), RECORD_TYPE)
    if change.meta.domain == _CANARY:
        return unparsable(line, "a heartbeat of the feed, no change", RECORD_TYPE, at="$.meta.domain")
    return time, _record(change)


def _time(change: _Change) -> datetime:
    """Raises msgspec.ValidationError when there is none."""
    if change.meta.dt is not None:
        try:
            cut = _FINER_THAN_MICROSECONDS.sub(r"\1", change.meta.dt)  # msgspec alone would round them up
            return msgspec.convert(cut, _Instant).astimezone(UTC)
        except (msgspec.ValidationError, OverflowError) as error:
            raise msgspec.ValidationError(f"{error} - at `$.meta.dt`") from error
    if change.timestamp is None:
        raise msgspec.ValidationError("neither it nor a timestamp is there - at `$.meta.dt`")
    try:
        return datetime.fromtimestamp(change.timestamp, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise msgspec.ValidationError("Expected seconds since 1970 - at `$.timestamp`") from error


def _record(change: _Change) -> WikiEdit:
    length = change.length or _Pair()
    revision = change.revision or _Pair()
    return WikiEdit(
        event_id=change.meta.id,
        wiki=change.wiki,
        kind=change.type,
        title=change.title,
        namespace=change.namespace,
        user=change.user,
        bot=change.bot,
        minor=change.minor,
        patrolled=change.patrolled,
        comment=change.comment,
        length_old=length.old,
        length_new=length.new,
        length_delta=length_delta(length.old, length.new),
        revision_old=revision.old,
        revision_new=revision.new,
        log_id=change.log_id,
        log_type=change.log_type,
        log_action=change.log_action,
        server_name=change.server_name,
        page_url=change.title_url or change.meta.uri,
        change_id=change.id,
    )


FORMAT = LineFormat(record_type=RECORD_TYPE, sealer=parsed(parse), time_of=parsed_time(parse))
