from pathlib import Path

import pytest

from headrace.errors import SettingsError
from producers import catalog
from producers.configuration import SOURCES, Configuration, of_file, of_one
from producers.settings import InputSettings, ProducerSettings

FILE = """
spool = "/var/lib/headrace"
drain_seconds = 5

[inputs.web]
source = "file"
paths = ["/var/log/a.log", "/var/log/b.log"]
follow = true

[inputs.events]
source = "stdin"
type = "web_access.v1"
format = "ndjson"
stream = "others"
"""


def read(tmp_path: Path, text: str, **environ: str) -> Configuration:
    path = tmp_path / "producers.toml"
    path.write_text(text)
    return of_file(path, {}, environ)


def test_a_file_holds_the_process_and_its_inputs_each_with_a_spool_of_its_own(tmp_path: Path) -> None:
    producer, (web, events) = read(tmp_path, FILE)
    assert (producer.spool, producer.drain_seconds) == ("/var/lib/headrace", 5.0)
    assert (web.name, web.spool, web.settings.stream) == ("web", Path("/var/lib/headrace/web"), "events")
    assert web.own == web.kind.Settings(paths=("/var/log/a.log", "/var/log/b.log"), follow=True)
    assert (web.lines.name, web.lines.record_type) == ("access-log", "web_access.v1")
    assert (events.settings.stream, events.lines.name) == ("others", "ndjson")


def test_the_environment_wins_for_the_process_and_leaves_the_inputs_alone(tmp_path: Path) -> None:
    producer, (web, _) = read(tmp_path, FILE, HEADRACE_SPOOL="/elsewhere", HEADRACE_STREAM="wrong")
    assert (producer.spool, web.settings.stream) == ("/elsewhere", "events")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("drain_seconds", "drain_second"), r"drain_second: not a setting"),
        (("follow = true", "folow = true"), r"\[inputs.web\] does not know folow"),
        (('"stdin"', '"stdout"'), r"\[inputs.events\] no source is called 'stdout': known are .*file"),
        (('source = "stdin"\n', ""), r"\[inputs.events\].*source.*is not set"),
        (("[inputs.web]", "[inputs.'Web logs']"), r"is no name"),
        (("= 5", '= "soon"'), r"drain_seconds in the settings file"),
        (('"ndjson"', '"xml"'), r"no format is called 'xml'"),
        (("web_access.v1", "reject.v1"), r"not a record type of lines"),
        (("spool = ", "spool "), r"settings file .*producers.toml"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=f"(?s){said}"):
        read(tmp_path, FILE.replace(*change))


def test_all_wrong_inputs_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, FILE.replace("follow", "folow").replace('"stdin"', '"stdout"'))
    assert "[inputs.web]" in str(caught.value)
    assert "[inputs.events]" in str(caught.value)


def test_a_file_without_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="add at least one table"):
        read(tmp_path, 'spool = "x"\n')


def test_one_input_comes_from_the_command_line_before_the_environment() -> None:
    environ = {"HEADRACE_SOURCE": "file", "HEADRACE_PATHS": "a.log:b.log", "HEADRACE_STREAM": "s"}
    _, (it,) = of_one(None, {}, environ)
    assert (it.name, it.settings.source, it.settings.stream) == ("", "file", "s")
    assert it.own == it.kind.Settings(paths=("a.log", "b.log"))
    _, (it,) = of_one("stdin", {"stream": "t"}, environ)
    assert (it.settings.source, it.settings.stream) == ("stdin", "t")


def test_every_source_says_what_it_can_be_told_in_names_of_its_own() -> None:
    shared = {*InputSettings.__struct_fields__, *ProducerSettings.__struct_fields__, "config", "check"}
    for name in catalog.names(SOURCES):
        kind = catalog.load(SOURCES, name)
        assert kind.FORMAT.replace("_", "-") in catalog.names("producers.formats")
        assert not shared & set(kind.Settings.__struct_fields__)
        assert callable(kind.open_source)
        assert kind.__doc__
