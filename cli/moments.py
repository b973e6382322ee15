"""Instants as a person writes them: `2h` ago, or in full."""

import re
from datetime import datetime, timedelta

import click
import msgspec

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime | timedelta]):
    """A time so long ago (`30m`, `2h`, `7d`), or an RFC 3339 instant; `instant` makes one of either."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | timedelta:
        """A timedelta, or an aware datetime."""
        text = str(value)
        if found := re.fullmatch(r"(\d{1,6})([smhd])", text):
            return timedelta(**{_UNITS[found[2]]: int(found[1])})
        try:
            instant = msgspec.convert(text, datetime)
        except msgspec.ValidationError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.fail(f"{text!r} is neither a time ago like 2h nor like 2026-11-21T12:00:00Z", param, ctx)
        return instant


def instant(moment: datetime | timedelta | None, now: datetime) -> datetime | None:
    """The instant that was meant."""
    return now - moment if isinstance(moment, timedelta) else moment
