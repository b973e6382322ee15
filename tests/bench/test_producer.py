import subprocess
import sys
from pathlib import Path

import pytest

from bench import producer


def test_every_record_goes_the_whole_way_into_the_sink() -> None:
    with producer.sink(4) as (url, _):
        figures = producer.ours(url, "--users", "100", records=3_000)
        unkeyed = producer.ours(url, "--unkeyed", records=2_000)
    assert (figures["records"], unkeyed["records"]) == (3_000, 2_000)
    assert figures["cpu_seconds"] > 0
    assert figures["bytes"] < 200


@pytest.mark.parametrize("size", [300, 1_000_000])
def test_records_have_the_size_that_was_asked_for(size: int) -> None:
    with producer.sink(1) as (url, _):
        assert producer.ours(url, "--bytes", str(size), records=10)["bytes"] == size


def test_a_peer_is_measured_with_the_same_sink() -> None:
    script = Path(producer.__file__).with_name("producer_peers.py")
    with producer.sink(4) as (url, _):
        done = subprocess.run(
            [sys.executable, str(script), "boto3", "--url", url, "--records", "1000"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert '"records": 1000' in done.stdout


def test_goals_that_are_missed_are_named() -> None:
    figures = {
        "per_core": {"keyed": 210_000, "unkeyed": 299_000},
        "ratios": {"boto3": 3.9, "kiner": 9.0},
        "goals": {"keyed": 200_000, "unkeyed": 300_000, "boto3": 4.0},
    }
    assert producer.missed(figures) == ["unkeyed", "boto3"]
