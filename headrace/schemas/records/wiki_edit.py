"""`wiki_edit.v1`: one change of a wiki, as Wikimedia's `recentchange` feed tells it."""

from typing import Annotated

from msgspec import Meta, Struct

from headrace.schemas.record_type import PII, RecordType

Name = Annotated[str, Meta(max_length=128)]
Short = Annotated[str, Meta(max_length=255)]
Title = Annotated[str, Meta(max_length=1_024)]
Url = Annotated[str, Meta(max_length=8_192)]
Long = Annotated[str, Meta(max_length=32_768)]
Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]


def length_delta(old: int | None, new: int | None) -> int | None:
    """By how many bytes a page grew; a new page (`old` None) by all of it. None where no length is known."""
    return None if new is None else new - (old or 0)


class WikiEdit(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The event time is the envelope's: when the wiki took the change.

    The schema of the feed (mediawiki/recentchange 1.0.0) requires none of these; what no event lacks and
    every count needs is required here, and the rest is null where the feed says nothing: lengths and
    revisions in logs, the log's own fields elsewhere, `patrolled` where a wiki does not patrol.
    """

    event_id: Annotated[Short, Meta(description="the feed's id of the event: a repetition has the same")]
    wiki: Annotated[Name, Meta(description="the wiki's database name, such as enwiki")]
    kind: Annotated[
        Annotated[str, Meta(max_length=32)],
        Meta(description="edit, new (a page), log, categorize, or one that came later"),
    ]
    title: Annotated[
        Title | None, Meta(description="the page's full name; a page about a user has the user's name"), PII
    ] = None
    namespace: Annotated[
        Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | None,
        Meta(description="number of the page's namespace; 0 is articles, -1 special pages"),
    ] = None
    user: Annotated[Short | None, Meta(description="the editor's name, or IP address"), PII] = None
    bot: Annotated[bool | None, Meta(description="whether the change is marked as a bot's")] = None
    minor: Annotated[bool | None, Meta(description="whether the editor calls it minor")] = None
    patrolled: Annotated[bool | None, Meta(description="whether somebody has checked it")] = None
    comment: Annotated[Long | None, Meta(description="the editor's summary, free text"), PII] = None
    length_old: Annotated[Number | None, Meta(description="bytes of the page before")] = None
    length_new: Annotated[Number | None, Meta(description="bytes of the page after")] = None
    length_delta: Annotated[
        Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)] | None,
        Meta(description="bytes by which the page grew, negative where it shrank; checked against the two"),
    ] = None
    revision_old: Annotated[Number | None, Meta(description="revision of the page before")] = None
    revision_new: Annotated[Number | None, Meta(description="revision of the page after")] = None
    log_id: Annotated[Number | None, Meta(description="number of the log entry")] = None
    log_type: Annotated[Short | None, Meta(description="which log, such as delete")] = None
    log_action: Annotated[Short | None, Meta(description="what was done, such as restore")] = None
    server_name: Annotated[Short | None, Meta(description="the wiki's host name")] = None
    page_url: Annotated[Url | None, Meta(description="where the page is"), PII] = None
    change_id: Annotated[Number | None, Meta(description="the wiki's own number of the change")] = None

    def __post_init__(self) -> None:
        """Refuse a difference that is not that of the lengths."""
        if self.length_delta != length_delta(self.length_old, self.length_new):
            raise ValueError("length_delta is not length_new - length_old")


WIKI_EDIT = RecordType(
    name="wiki_edit.v1",
    data=WikiEdit,
    description="One change of a wiki, as Wikimedia's recentchange feed tells it.",
    partition_key="title",  # keeps the order of a page's changes; by wiki, the few largest were hot keys
)
