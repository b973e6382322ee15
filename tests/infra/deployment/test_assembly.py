"""What the CDK leaves in a stage's folder, as a deployment reads it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import DeploymentFailed
from infra import app
from infra.deployment.assembly import Assembly, synthesize
from infra.stacks.stage import Stage
from tests.infra.deployment import toy


def write(folder: Path, **needs: list[str]) -> None:
    """An assembly of stacks by what they need, in the order given."""
    artifacts: dict[str, Any] = {}
    for name, needed in needs.items():
        properties = {"templateFile": f"{name}.json", "stackName": f"headrace-{name}"}
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "properties": properties | {"requiresBootstrapStackVersion": 6},
            "dependencies": [*needed, f"{name}.assets"],
        }
        (folder / f"{name}.json").write_text(json.dumps({"Resources": {}}))
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))


def test_stacks_come_after_those_they_need(tmp_path: Path) -> None:
    write(tmp_path, cluster=["warehouse", "network"], warehouse=["network"], network=[])
    assembly = Assembly.read(tmp_path)
    assert [stack.name for stack in assembly.stacks] == [
        "headrace-network",
        "headrace-warehouse",
        "headrace-cluster",
    ]
    assert (assembly.bootstrap, assembly.images) == (6, False)


def test_a_stage_is_synthesized_into_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], env: dict[str, str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command == [sys.executable, "-m", "infra.app", "--stage", toy.NAME]
        toy.write(Path(env["CDK_OUTDIR"]), toy.template())
        return subprocess.CompletedProcess(command, 0, "", "")

    toy.write(tmp_path, toy.template(), images={"image": {}})
    (tmp_path / "left.assets.json").write_text(json.dumps({"dockerImages": {"image": {}}}))
    monkeypatch.setattr(subprocess, "run", run)
    assembly = synthesize(Stage(toy.NAME, toy.FILE), {}, tmp_path)
    assert not assembly.images, "a stack that the file no longer asks for builds no image"
    assert [stack.name for stack in assembly.stacks] == [toy.STACK]


@pytest.mark.xdist_group("cdk")
def test_the_app_writes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["infra.app", "--stage", "local"])
    monkeypatch.setenv("CDK_OUTDIR", str(tmp_path))
    assert app.main() == 0
    assert [stack.name for stack in Assembly.read(tmp_path).stacks] == ["headrace-local-stream"]


def test_what_the_app_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "network.zones: name one\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    with pytest.raises(DeploymentFailed, match=r"cannot be synthesized:\nnetwork.zones: name one$"):
        synthesize(Stage(toy.NAME, toy.FILE), {}, tmp_path)
