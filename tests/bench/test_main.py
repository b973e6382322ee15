import subprocess

import pytest

from bench import __main__ as bench


def test_every_bench_is_run_and_its_figures_are_printed_as_tables_and_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = '{"rate": 2000, "ratios": {"pydantic": 2.5}, "goals": {"pydantic": 2.0}}'

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, int("bench.stream" in command), answer)

    monkeypatch.setattr(subprocess, "run", run)
    assert bench.main() == 1
    printed = capsys.readouterr().out
    assert "2,000" in printed
    assert f'{{"decode": {answer}, "producer": {answer}, "stream": {answer}, "latency": {answer}}}' in printed
    assert printed.endswith("goals missed: stream\n")
