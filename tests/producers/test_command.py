from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from headrace.errors import SettingsError
from headrace.ops.settings import describe
from producers import catalog
from producers.command import Configure, SourcesGroup, run_here
from producers.configuration import SOURCES, Configuration
from producers.settings import InputSettings, ProducerSettings
from tests.doubles.clock import ManualClock


def configured(*arguments: str, **environ: str) -> Configuration:
    """What a command line comes to."""
    return started(*arguments, environ=environ)[0]


def started(*arguments: str, environ: Mapping[str, str]) -> tuple[Configuration, bool]:
    calls: list[tuple[Configuration, bool]] = []

    def start(_: object, configure: Configure, check: bool) -> int:
        calls.append((configure(environ), check))
        return 7

    assert SourcesGroup(start).main(list(arguments), standalone_mode=False) == 7
    return calls[0]


def test_paths_are_arguments_and_settings_are_options() -> None:
    producer, (it,) = configured(
        "file", "a.log", "b.log", "--follow", "--rate", "2.5", "--spool", "s", "--drain-seconds", "3"
    )
    assert it.own == it.kind.Settings(paths=("a.log", "b.log"), follow=True)
    assert (it.settings.rate, producer.spool, producer.drain_seconds) == (2.5, "s", 3.0)


def test_the_source_may_come_from_the_environment_alone() -> None:
    _, (it,) = configured(HEADRACE_SOURCE="file", HEADRACE_PATHS="a.log:b.log", HEADRACE_FOLLOW="true")
    assert it.own == it.kind.Settings(paths=("a.log", "b.log"), follow=True)


def test_a_settings_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "producers.toml"
    path.write_text('[inputs.a]\nsource = "stdin"\n')
    seen: list[list[str]] = []

    def start(_: object, configure: Configure, _check: bool) -> int:
        for _ in range(2):
            seen.append([it.name for it in configure({}).inputs])
            path.write_text('[inputs.b]\nsource = "stdin"\n')
        return 0

    SourcesGroup(start).main(["--config", str(path)], standalone_mode=False)
    assert seen == [["a"], ["b"]]


@pytest.mark.parametrize("name", catalog.names(SOURCES))
def test_every_setting_of_every_source_has_an_option_that_is_explained(name: str) -> None:
    group = SourcesGroup(lambda *_: 0)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    given = {parameter.name for parameter in command.params}
    settings = [
        each
        for kind in (catalog.load(SOURCES, name).Settings, InputSettings, ProducerSettings)
        for each in describe(kind)
        if each.field != "source"
    ]
    assert given == {setting.field for setting in settings} | {"check"}
    assert len({setting.variable for setting in settings}) == len(settings)
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a source .*stdin"),
        (["--config", "/no/such.toml"], "such.toml"),
        (["file"], "HEADRACE_PATHS"),
        (["stdin", "--rate", "fast"], "--rate"),
        (["--spool", "x", "stdin"], "options go behind the source"),
    ],
)
def test_wrong_use_says_what_to_do(arguments: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        configured(*arguments)


def test_check_says_what_would_be_done_and_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration, check = started("file", "a.log", "--spool", str(tmp_path / "s"), "--check", environ={})
    assert check
    assert run_here(lambda _: configuration, {}, ManualClock(), check=True) == 0
    said = capsys.readouterr().out
    for what in ("a.log", "web_access.v1", "stream events", str(tmp_path / "s"), "/readyz"):
        assert what in said
    assert list(tmp_path.iterdir()) == []


def test_check_finds_what_would_keep_it_from_beginning(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file, no folder")
    path = tmp_path / "producers.toml"
    path.write_text(f'spool = "{tmp_path}/plain"\n[inputs.a]\nsource = "stdin"\n')
    configuration, _ = started("--config", str(path), "--check", environ={})
    with pytest.raises(SettingsError, match=r"a: the spool's folder .* cannot be written"):
        run_here(lambda _: configuration, {}, ManualClock(), check=True)
