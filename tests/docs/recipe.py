"""Follows a recipe of CONTRIBUTING.md in a copy of the tree: its files, its changes, its commands."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:Create|[Ii]n) `([^`]+)`:\s*$")


def copy_tree(to: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    return to


def follow(section: str, tree: Path) -> None:
    """Do what the section of CONTRIBUTING.md with this heading says."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    body = re.split(r"^## ", text.split(f"## {section}\n")[1], flags=re.MULTILINE)[0]
    target, end = "", 0
    for block in BLOCK.finditer(body):
        if named := FILE.search(body[end : block.start()].rstrip()):
            target = named.group(1)
        end = block.end()
        _do(block.group(2), textwrap.dedent(block.group(3)), tree / target, tree)


def _do(language: str, content: str, target: Path, tree: Path) -> None:
    if language == "console":
        for line in content.splitlines():
            run(line.removeprefix("$ "), tree)
    elif language == "diff":
        _change(target, content)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)


def _change(target: Path, diff: str) -> None:
    lines = diff.splitlines()
    before = "\n".join(line[1:] for line in lines if line[0] in " -")
    after = "\n".join(line[1:] for line in lines if line[0] in " +")
    text = target.read_text()
    assert text.count(before) == 1, f"{target} does not hold, once:\n{before}"
    target.write_text(text.replace(before, after))


def run(command: str, tree: Path) -> str:
    command = command.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    command = command.replace("make docs", f"{sys.executable} -m cli reference > docs/reference.md")
    template = "-m infra.app --stage local --print stream > infra/local/stream.template.json"
    command = command.replace("make template", f"{sys.executable} {template}")
    # The properties are shown elsewhere: here they are to hold for what the recipe adds.
    environ = os.environ | {"PYTHONPATH": str(tree), "PYTEST_ADDOPTS": "--hypothesis-profile=brief"}
    done = subprocess.run(
        command, shell=True, cwd=tree, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
