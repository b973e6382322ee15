"""A stage's stacks as the CDK has synthesized them into a folder, in the order in which they are made."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.errors import DeploymentFailed
from infra.stacks.stage import Stage

ROOT = Path(__file__).resolve().parents[2]
_STACK = "aws:cloudformation:stack"


@dataclass(frozen=True)
class Declared:
    """One stack as it is declared: its template and, where it has any without a default, its parameters."""

    name: str
    template: Mapping[str, Any]


@dataclass(frozen=True)
class Assembly:
    """The folder that the CDK's command line is given, and the stacks in it.

    `bootstrap` is the least version of the bootstrap stack that they need; `images`: they carry container
    images, which are built as they are deployed.
    """

    folder: Path
    stacks: tuple[Declared, ...]
    bootstrap: int
    images: bool

    @classmethod
    def read(cls, folder: Path) -> "Assembly":
        """What lies in the folder."""
        artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
        stacks = {name: one for name, one in artifacts.items() if one["type"] == _STACK}
        declared = tuple(
            Declared(
                stacks[name]["properties"].get("stackName", name),
                json.loads((folder / stacks[name]["properties"]["templateFile"]).read_text()),
            )
            for name in _in_order(stacks)
        )
        needed = max(one["properties"].get("requiresBootstrapStackVersion", 0) for one in stacks.values())
        assets = (json.loads(path.read_text()) for path in folder.glob("*.assets.json"))
        return cls(folder, declared, needed, any(one.get("dockerImages") for one in assets))


def synthesize(stage: Stage, environ: Mapping[str, str], into: Path) -> Assembly:
    """Run the CDK app for the stage, in a process of its own. Raises DeploymentFailed with what it said."""
    shutil.rmtree(into, ignore_errors=True)  # what an earlier file of the stage asked for is not deployed
    into.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "infra.app", "--stage", stage.name],
        env={**environ, "CDK_OUTDIR": str(into.resolve())},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DeploymentFailed(f"the stacks cannot be synthesized:\n{done.stderr.strip()}")
    return Assembly.read(into.resolve())


def _in_order(stacks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Each after those it depends on."""
    done: set[str] = set()
    while len(done) < len(stacks):
        for name, stack in stacks.items():
            needed = set(stack.get("dependencies", ())) & stacks.keys()
            if name not in done and needed <= done:
                done.add(name)
                yield name
