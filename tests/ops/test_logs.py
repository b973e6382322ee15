import json
from collections.abc import Iterator

import pytest
import structlog

from headrace.ops import logs


@pytest.fixture(autouse=True)
def other_tests_keep_their_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_json_line_names_its_process_and_hides_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(process="producer", form="json")
    logs.get_logger(shard="0").info("sent", records=3, session_token="abc")
    line = json.loads(capsys.readouterr().err)
    assert (line["process"], line["shard"], line["event"], line["records"]) == ("producer", "0", "sent", 3)
    assert line["session_token"] == "***"


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(process="producer", level="warning")
    logs.get_logger().info("chatter")
    logs.get_logger().warning("slow")
    err = capsys.readouterr().err
    assert "chatter" not in err
    assert "slow" in err
