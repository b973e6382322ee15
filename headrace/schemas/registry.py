"""The one place that lists the record types and the windowed outputs."""

from headrace.schemas.event import Event, event_class
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.record_type import RecordType
from headrace.schemas.records.loan_origination import LOAN_ORIGINATION
from headrace.schemas.records.loan_performance import LOAN_PERFORMANCE
from headrace.schemas.records.producer_status import PRODUCER_STATUS
from headrace.schemas.records.reject import REJECT
from headrace.schemas.records.user_signup import USER_SIGNUP
from headrace.schemas.records.user_signup_outputs import USER_SIGNUPS_10M
from headrace.schemas.records.web_access import WEB_ACCESS
from headrace.schemas.records.web_access_outputs import WEB_PATHS_5M, WEB_TRAFFIC_1M, WEB_VISITORS_15M
from headrace.schemas.records.wiki_edit import WIKI_EDIT
from headrace.schemas.records.wiki_edit_outputs import WIKI_EDITS_1M

RECORD_TYPES: dict[str, RecordType] = {
    record_type.name: record_type
    for record_type in (
        WEB_ACCESS,
        REJECT,
        PRODUCER_STATUS,
        USER_SIGNUP,
        WIKI_EDIT,
        LOAN_ORIGINATION,
        LOAN_PERFORMANCE,
    )
}

OUTPUTS: dict[str, WindowedOutput] = {
    output.name: output
    for output in (
        WEB_TRAFFIC_1M,
        WEB_PATHS_5M,
        WEB_VISITORS_15M,
        USER_SIGNUPS_10M,
        WIKI_EDITS_1M,
    )
}

EVENT_CLASSES: dict[str, type[Event]] = {
    record_type.name: event_class(record_type) for record_type in RECORD_TYPES.values()
}
