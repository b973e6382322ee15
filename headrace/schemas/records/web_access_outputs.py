"""The windowed outputs of `web_access.v1`."""

from datetime import timedelta
from http import HTTPStatus

from headrace.schemas.outputs import Count, CountIf, Derived, Distinct, Key, Quantile, Sum, WindowedOutput
from headrace.schemas.records.web_access import WEB_ACCESS

BOT_MARKS = ("bot", "crawl", "spider", "slurp", "feed", "curl/", "wget/", "python-", "monitor", "scan")
"""A user agent that contains one of these, in any case, is counted as a bot."""


def status_class(status: int) -> str:
    """200 is `2xx`."""
    return f"{status // 100}xx"


def is_error(status: int) -> bool:
    """Whether the status is a client's or a server's error."""
    return status >= HTTPStatus.BAD_REQUEST


def is_bot(user_agent: str) -> bool:
    """Whether the user agent names itself a bot, or is a tool that no person reads with."""
    folded = user_agent.lower()
    return any(mark in folded for mark in BOT_MARKS)


WEB_TRAFFIC_1M = WindowedOutput(
    name="web_traffic_1m",
    record_type=WEB_ACCESS,
    every=timedelta(minutes=1),
    keys=(Key("method", of="method"), Key("status_class", of=Derived("status", status_class), max_bytes=16)),
    measures=(
        Count("requests"),
        Sum("bytes", "bytes"),
        Quantile("bytes_p50", "bytes", 0.5),
        Quantile("bytes_p95", "bytes", 0.95),
    ),
    description="Requests and bytes per minute by method and class of status.",
)

WEB_PATHS_5M = WindowedOutput(
    name="web_paths_5m",
    record_type=WEB_ACCESS,
    every=timedelta(minutes=5),
    keys=(Key("path", of="path"),),
    measures=(Count("requests"), CountIf("errors", Derived("status", is_error)), Sum("bytes", "bytes")),
    description="Requests, errors (status 400 and above) and bytes per five minutes by path.",
)

WEB_VISITORS_15M = WindowedOutput(
    name="web_visitors_15m",
    record_type=WEB_ACCESS,
    every=timedelta(minutes=15),
    keys=(),
    measures=(
        Distinct("visitors", "client_address"),
        Count("requests"),
        CountIf("bot_requests", Derived("user_agent", is_bot)),
    ),
    description="Distinct client addresses, requests, and requests by bots, per fifteen minutes.",
)
