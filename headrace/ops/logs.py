"""Structured logs on stderr, as lines for a person or as JSON for a machine."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import FilteringBoundLogger

_SECRET = ("password", "secret", "token", "credential", "authorization")


def configure(*, process: str, level: str = "info", form: Literal["json", "human"] = "human") -> None:
    """Set up the logs of this process; every line carries the process's name."""
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _hide_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)


def get_logger(**bound: object) -> FilteringBoundLogger:
    """A logger whose lines carry the given values."""
    logger: FilteringBoundLogger = structlog.get_logger(**bound)
    return logger


def _hide_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for key in event:
        if any(word in key.lower() for word in _SECRET):
            event[key] = "***"
    return event
