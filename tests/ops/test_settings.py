from typing import Annotated

import msgspec
import pytest

from headrace.errors import SettingsError
from headrace.ops.settings import Setting, describe, load


class PumpSettings(msgspec.Struct, frozen=True, kw_only=True):
    stream: Annotated[str, Setting("PUMP_STREAM", "where to")] = "events"
    rate: Annotated[int, msgspec.Meta(ge=1), Setting("PUMP_RATE", "records a second")]
    deep: Annotated[bool, Setting("PUMP_DEEP", "dig")] = False


def test_the_command_line_wins_over_the_environment_the_file_and_the_default() -> None:
    file: dict[str, object] = {"stream": "file", "rate": 3}
    assert load(PumpSettings, {"PUMP_RATE": "7"}) == PumpSettings(rate=7)
    assert load(PumpSettings, {}, values=file) == PumpSettings(stream="file", rate=3)
    assert load(PumpSettings, {"PUMP_RATE": "7", "PUMP_STREAM": ""}, values=file).rate == 7
    settings = load(
        PumpSettings, {"PUMP_RATE": "7", "PUMP_DEEP": "true"}, overrides={"rate": 9, "stream": None}
    )
    assert settings == PumpSettings(rate=9, deep=True)


def test_every_problem_is_named_at_once_with_its_place() -> None:
    with pytest.raises(SettingsError) as caught:
        load(PumpSettings, {"PUMP_DEEP": "maybe"})
    assert "rate (PUMP_RATE) is not set: records a second" in str(caught.value)
    assert "PUMP_DEEP: Expected `bool`" in str(caught.value)
    with pytest.raises(SettingsError, match=r"PUMP_RATE: Expected `int` >= 1"):
        load(PumpSettings, {"PUMP_RATE": "0"})


def test_a_wrong_value_in_the_file_is_named_by_its_key() -> None:
    with pytest.raises(SettingsError, match=r"rate in the settings file: Expected `int`"):
        load(PumpSettings, {}, values={"rate": [3]})


def test_settings_describe_themselves() -> None:
    assert [(s.field, s.variable, s.default) for s in describe(PumpSettings)] == [
        ("stream", "PUMP_STREAM", "events"),
        ("rate", "PUMP_RATE", None),
        ("deep", "PUMP_DEEP", False),
    ]


class TapSettings(msgspec.Struct, frozen=True, kw_only=True):
    paths: Annotated[tuple[str, ...], Setting("TAP_PATHS", "what to read")] = ()


def test_several_values_are_separated_by_colons_in_the_environment_and_a_list_elsewhere() -> None:
    assert load(TapSettings, {"TAP_PATHS": "a:b"}).paths == ("a", "b")
    assert load(TapSettings, {}, values={"paths": ["c:d"]}).paths == ("c:d",)
    assert load(TapSettings, {"TAP_PATHS": "a"}, overrides={"paths": ("x:y",)}).paths == ("x:y",)
