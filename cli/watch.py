"""Looking at a stream as `tail` does at a file: what `headrace events` and `headrace errors` share."""

import os
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar

import click
import msgspec
from rich.text import Text

from cli.consoles import console
from cli.exit_codes import GOOD
from cli.place import Place
from cli.printable import printable_json
from cli.streams import reached
from cli.tail import Seen, Tail
from cli.told import Told, tell_of

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What to show, and how."""

    count: int
    follow: bool
    types: tuple[str, ...]
    codes: tuple[str, ...]
    sources: tuple[str, ...]
    shard: str | None
    as_json: bool
    personal: bool
    every: bool = True

    def takes(self, told: Told) -> bool:
        """Whether the filters let the record through."""
        return (
            (self.every or not told.is_status or bool(self.types))
            and (not self.types or not set(self.types).isdisjoint(told.types))
            and (not self.codes or told.code in self.codes)
            and (not self.sources or told.source in self.sources)
        )


_OPTIONS = (
    click.option(
        "-n",
        "count",
        default=20,
        show_default=True,
        type=click.IntRange(0, 100_000),
        help="The last so many.",
    ),
    click.option("-f", "--follow", is_flag=True, help="Then show what arrives, until Ctrl-C."),
    click.option("--type", "types", multiple=True, help="Only of this record type; repeatable."),
    click.option("--code", "codes", multiple=True, help="Only rejected for this code; repeatable."),
    click.option("--source", "sources", multiple=True, help="Only of this source; repeatable."),
    click.option("--shard", metavar="ID", help="Only of this shard."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line."),
    click.option(
        "--show-personal", "personal", is_flag=True, help="Also what names, reaches or locates a person."
    ),
)


def options(command: _Command) -> _Command:
    """The options of both commands."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def watch(place: Place, look: Look, *, errors: bool) -> int:
    """Show the stream `events`, or `errors`, until there is no more to show."""
    with reached(place) as streams:
        stream = streams.settings.error_stream if errors else streams.settings.stream
        tail = Tail(streams.kinesis, stream, place.clock, shard=look.shard)

        def tell(seen: Seen) -> Told:
            return tell_of(seen, personal=look.personal)

        def wanted(seen: Seen) -> bool:
            return look.takes(tell(seen))

        shown = tail.newest(look.count, wanted)
        try:
            _print(map(tell, chain(shown, tail.follow(wanted) if look.follow else ())), look)
        except (
            BrokenPipeError
        ):  # the reader (`| head`) has enough; what is buffered must not be tried at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return GOOD


def _print(records: Iterator[Told], look: Look) -> None:
    """Each on a line: whole where there is no terminal, else coloured and cut to its width."""
    out = console() if sys.stdout.isatty() else None
    for told in records:
        if look.as_json:
            sys.stdout.write(printable_json(msgspec.json.encode(told.json).decode()) + "\n")
        elif out is None:
            sys.stdout.write(told.line.plain + "\n")
        else:
            out.print(_cut(told.line, out.width))
        sys.stdout.flush()


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
