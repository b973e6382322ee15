"""The command line of a producer: one subcommand per kind of source, with options made from its settings."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click
import msgspec

from headrace.errors import SettingsError
from headrace.ops import logs
from headrace.ops.clock import Clock
from headrace.ops.notify import Notifier
from headrace.ops.reload import Reload
from headrace.ops.settings import Described, describe
from headrace.ops.shutdown import Shutdown
from producers import catalog, daemon
from producers.check import plan, require
from producers.configuration import SOURCES, Configuration, of_file, of_one
from producers.settings import InputSettings, ProducerSettings

Configure = Callable[[Mapping[str, str]], Configuration]
"""Environment -> what to do. It reads the settings file anew each time. Raises SettingsError."""

Start = Callable[[Any, Configure, bool], int]
"""(the context's object, how to configure, whether only to check) -> exit code."""

_HELP = """Send records to a stream, each exactly once, from one source or from all of a settings file.

A restart goes on where the last run stopped. SIGTERM or Ctrl-C: what was read is sent, the rest stays in the
spool. `headrace produce SOURCE --help` tells what a source can be told.
"""


class SourcesGroup(click.Group):
    """`produce`: its subcommands are the modules of `producers/sources/`, imported when asked for."""

    def __init__(self, start: Start, **attributes: Any) -> None:  # noqa: ANN401  click's own types
        super().__init__(
            "produce",
            callback=click.pass_context(self._without_source),
            params=[
                *_options(ProducerSettings),
                click.Option(["--config"], type=click.Path(path_type=Path), help="A settings file (TOML)."),
                _check_option(),
            ],
            invoke_without_command=True,
            help=_HELP,
            epilog="Example: headrace produce file /var/log/nginx/access.log --follow",
            **attributes,
        )
        self._start = start

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """The kinds of source."""
        return catalog.names(SOURCES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """One kind, its options made from its settings."""
        try:
            kind = catalog.load(SOURCES, cmd_name)
        except SettingsError:
            return None

        def run(context: click.Context, /, **given: Any) -> int:  # noqa: ANN401  click's own types
            return self._run(context, cmd_name, given)

        return click.Command(
            cmd_name,
            callback=click.pass_context(run),
            params=[
                *_options(kind.Settings),
                *_options(InputSettings, leave_out=("source",)),
                *_options(ProducerSettings),
                _check_option(),
            ],
            help=kind.__doc__,
            short_help=(kind.__doc__ or "").partition("\n")[0],
        )

    def _without_source(self, context: click.Context, /, **given: Any) -> int | None:  # noqa: ANN401
        if context.invoked_subcommand is not None:
            if any(value is not None for name, value in given.items() if name != "check"):
                raise SettingsError("options go behind the source: headrace produce file --spool DIR")
            return None
        return self._run(context, None, given)

    def _run(self, context: click.Context, source: str | None, given: dict[str, Any]) -> int:
        config: Path | None = given.pop("config", None)
        check: bool = given.pop("check")

        def configure(environ: Mapping[str, str]) -> Configuration:
            if config is not None:
                return of_file(config, given, environ)
            if source is None and not environ.get("HEADRACE_SOURCE"):
                raise SettingsError(
                    f"name a source ({', '.join(catalog.names(SOURCES))}) or a settings file with --config"
                )
            return of_one(source, given, environ)

        return self._start(context.obj, configure, check)


def run_here(configure: Configure, environ: Mapping[str, str], clock: Clock, *, check: bool) -> int:
    """Produce in this process, or only check; the exit code.

    It takes the process's signals. Raises what `daemon.run` does.
    """
    configuration = configure(environ)
    if check:
        require(configuration)
        click.echo("\n".join(plan(configuration)))
        return 0
    settings = configuration.producer
    logs.configure(process="producer", level=settings.log_level, form=settings.log_format)
    reload = Reload.install()
    return daemon.run(
        configuration,
        clock,
        Shutdown.install(),
        reread=lambda: configure(environ) if reload.taken() else None,
        notifier=Notifier.of(environ, os.getpid()),
    )


def _check_option() -> click.Option:
    return click.Option(
        ["--check"], is_flag=True, help="Check the settings, say what would be done, and do nothing."
    )


def _options(kind: type[msgspec.Struct], leave_out: tuple[str, ...] = ()) -> list[click.Parameter]:
    hints = get_type_hints(kind)
    return [
        _parameter(setting, hints[setting.field])
        for setting in describe(kind)
        if setting.field not in leave_out
    ]


def _parameter(setting: Described, hint: Any) -> click.Parameter:  # noqa: ANN401  a type
    """Values stay text: the settings convert and judge them as they do those of the environment."""
    if setting.field == "paths":
        return click.Argument(
            ["paths"], nargs=-1, metavar="PATH...", callback=lambda *given: given[2] or None
        )
    help_text = f"{setting.meaning[:1].upper()}{setting.meaning[1:]}; {setting.variable}."
    name = f"--{setting.field.replace('_', '-')}"
    if hint is bool:
        return click.Option([name], is_flag=True, default=None, help=help_text)
    choices = _choices(hint)
    if choices:
        return click.Option([name], type=click.Choice(choices), help=help_text)
    return click.Option([name], help=help_text, metavar=_metavar(hint), multiple=get_origin(hint) is tuple)


def _choices(hint: Any) -> list[str]:  # noqa: ANN401  a type
    literals = [part for part in (hint, *get_args(hint)) if get_origin(part) is Literal]
    return [str(value) for literal in literals for value in get_args(literal)]


def _metavar(hint: Any) -> str:  # noqa: ANN401  a type
    numbers = {int, float} & {hint, *get_args(hint)}
    return "NUMBER" if numbers else "TEXT"
