import json

import pytest

from headrace.errors import LocalStackFailed
from infra.local import java
from infra.local.state import State
from tests.cli.conftest import WITHOUT_WORKERS, Headrace

pytestmark = pytest.mark.stack


def test_up_status_down(headrace: Headrace, state: State) -> None:
    assert headrace("status").code == 1
    up = headrace("up", *WITHOUT_WORKERS)
    assert up.code == 0
    assert f"source {state.env}" in up.err
    status = headrace("status", "--json")
    assert status.code == 1  # the stream job was left out
    parts = {part["name"]: part for part in json.loads(status.out)}
    assert {name: part["running"] for name, part in parts.items()} == {
        "emulator": True,
        "postgres": True,
        "stream": False,
        "archive": False,
        "error-desk": False,
    }
    assert headrace("status").out.startswith(f"emulator     pid {parts['emulator']['pid']}")
    assert headrace("down").code == 0
    assert not any(part["running"] for part in json.loads(headrace("status", "--json").out))


def test_down_without_a_stack_does_nothing(headrace: Headrace) -> None:
    answer = headrace("down")
    assert (answer.code, answer.out, answer.err) == (0, "", "")


def test_up_is_refused_while_another_command_starts_or_stops_the_stack(
    headrace: Headrace, state: State
) -> None:
    with state.exclusive():
        answer = headrace("up")
    assert answer.code == 1
    assert "another headrace command" in answer.err


def test_a_wrong_java_is_one_sentence_and_starts_nothing(
    headrace: Headrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_environ: object) -> java.Java:
        raise LocalStackFailed(
            "Spark needs Java 17 or 21, and only Java 25 (JAVA_HOME) was found: install one."
        )

    monkeypatch.setattr(java, "find", none)
    answer = headrace("up")
    assert answer.code == 1
    assert (
        answer.err
        == "headrace: Spark needs Java 17 or 21, and only Java 25 (JAVA_HOME) was found: install one.\n"
    )
    assert headrace("status", "--json").code == 1
