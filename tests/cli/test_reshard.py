from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import click
import pytest

from cli import main, reshard
from cli.place import Place
from infra.stacks.stage import Stage
from tests.cli.conftest import Headrace
from tests.doubles.clock import ManualClock


class Streams:
    """Counts of shards by stream, as the service keeps them."""

    def __init__(self) -> None:
        self.counts = {"its-events": 1, "its-errors": 1}

    def describe_stream_summary(self, **asked: str) -> dict[str, Any]:
        count = self.counts[asked["StreamName"]]
        mode = {"StreamMode": "PROVISIONED"}
        summary = {"StreamStatus": "ACTIVE", "StreamModeDetails": mode, "OpenShardCount": count}
        return {"StreamDescriptionSummary": summary}

    def update_shard_count(self, **asked: Any) -> None:
        self.counts[asked["StreamName"]] = asked["TargetShardCount"]


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    """Those of stage dev, as the command finds them."""
    streams = Streams()
    names = {"HEADRACE_STREAM": "its-events", "HEADRACE_ERROR_STREAM": "its-errors"}

    @contextmanager
    def opened(_place: Place, name: str, *, start: bool) -> Iterator[Any]:
        assert not start
        yield SimpleNamespace(
            stage=Stage.read(name),
            target=SimpleNamespace(environ=lambda: names),
            cloud=SimpleNamespace(client=lambda _service: streams),
        )

    monkeypatch.setattr(reshard, "opened", opened)
    return streams


def test_all_streams_of_a_stage_get_the_count_and_the_file_is_to_say_so(
    streams: Streams, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["reshard", "--stage", "dev", "3", "--yes"], Place({}, ManualClock())) == 0
    assert streams.counts == {"its-events": 3, "its-errors": 3}
    said = capsys.readouterr().err
    assert "its-events: 1 -> 2 -> 3 shards" in said
    assert "write `shards = 3` into infra/stages/dev.toml" in said


def test_nothing_is_changed_before_the_operator_agrees(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.confirm", _refuse)
    assert main.run(["reshard", "--stage", "dev", "3"], Place({}, ManualClock())) != 0
    assert streams.counts == {"its-events": 1, "its-errors": 1}


def _refuse(*_: object, **__: object) -> None:
    raise click.Abort


def test_the_emulators_streams_are_left_because_it_would_lose_records(headrace: Headrace) -> None:
    answer = headrace("reshard", "--stage", "local", "4")
    assert answer.code == 2
    assert "the emulator loses" in answer.err
