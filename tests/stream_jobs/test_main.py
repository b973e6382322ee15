from pathlib import Path
from typing import Never

import pytest

from headrace.errors import FencedOut
from headrace.ops.clock import SystemClock
from headrace.ops.shutdown import Shutdown
from stream_jobs import main
from stream_jobs.settings import SUBMITTED, StreamJobSettings


@pytest.mark.parametrize(("master", "code"), [(SUBMITTED, 0), ("local[2]", 1)])
def test_a_job_that_was_fenced_out_ends_well_where_it_would_be_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master: str, code: int
) -> None:
    def fenced_out(*_: object) -> Never:
        raise FencedOut("epoch 2 has taken over")

    monkeypatch.setattr(main, "_stream", fenced_out)
    monkeypatch.setattr(main, "find_java", lambda _: "java")
    settings = StreamJobSettings(warehouse_url="none", state=str(tmp_path), spark_master=master)
    assert main.run(settings, {}, clock=SystemClock(), shutdown=Shutdown()) == code


def test_a_job_under_spark_submit_looks_for_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_stream", lambda *_: None)
    settings = StreamJobSettings(warehouse_url="none", state=str(tmp_path), spark_master=SUBMITTED)
    nowhere = {"JAVA_HOME": "/nowhere"}
    assert main.run(settings, nowhere, clock=SystemClock(), shutdown=Shutdown()) == 0


def test_a_checkpoint_may_be_a_url() -> None:
    def location(checkpoint: str) -> str:
        settings = StreamJobSettings(warehouse_url="none", state="/state", checkpoint=checkpoint)
        return settings.checkpoint_location

    assert location("s3://bucket/checkpoint/v1") == "s3://bucket/checkpoint/v1"
    assert location("/elsewhere") == "/elsewhere"
    assert location("") == "/state/checkpoint/events"
