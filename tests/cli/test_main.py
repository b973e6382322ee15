import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.main import COMMANDS
from tests.cli.conftest import Headrace

PROGRAM = Path(sys.executable).parent / "headrace"


def test_help_lists_every_command_without_importing_it() -> None:
    program = (
        "import sys; sys.argv = ['headrace', '--help']\n"
        "from cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'psycopg', 'pyspark', 'boto3', 'pyarrow', 'rich', 'numpy'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for name in COMMANDS:
        assert f"\n  {name} " in shown
    assert shown.endswith("HEAVY []\n")


def test_help_is_quick() -> None:
    def seconds() -> float:
        started = time.perf_counter()
        subprocess.run([PROGRAM, "--help"], check=True, capture_output=True)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(headrace: Headrace, name: str) -> None:
    answer = headrace(name, "--help")
    assert answer.code == 0
    assert f"Example: headrace {name}" in " ".join(answer.out.split())


@pytest.mark.parametrize(
    "wrong", [["no-such-command"], ["query"], ["up", "--without", "java"], ["windows", "no_such_output"]]
)
def test_wrong_use_exits_2_and_says_how_to_get_help(headrace: Headrace, wrong: list[str]) -> None:
    answer = headrace(*wrong)
    assert answer.code == 2
    assert "--help" in answer.err
    assert answer.out == ""


def test_an_error_is_one_line_that_says_what_to_do(headrace: Headrace) -> None:
    answer = headrace("windows")
    assert answer.code == 2
    assert answer.err.startswith("headrace: no warehouse: ")
    assert "headrace demo" in answer.err
    assert answer.err.count("\n") == 1
