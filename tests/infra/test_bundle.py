import base64
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import LocalStackFailed
from infra import bundle, packing
from infra.bundle import HANDLER, PLATFORMS, TRANSFORM, build
from infra.packing import Recipe

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "headrace/schemas/examples/web_access.v1/good/as-in-the-design.json"
EMULATOR = ROOT / ".venv-emulator/lib/python3.11/site-packages"

CALL = """
import json, sys
sys.path[:0] = [sys.argv[1]]
sys.path += [sys.argv[2]]
module, name = sys.argv[3].rsplit(".", 1)
handle = getattr(__import__(module, fromlist=[name]), name)
heavy = {"botocore.session", "boto3", "pydantic", "prometheus_client", "structlog"} & set(sys.modules)
assert not heavy, heavy
answer = handle(json.load(sys.stdin), None)
import headrace.kinesis.boto3_client  # what the first reject imports
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("bundle"))


def test_two_builds_of_the_same_inputs_are_the_same_bytes_and_a_built_one_is_taken_as_it_is(
    native: Path, tmp_path: Path
) -> None:
    again = build(tmp_path)
    assert (again.name, again.read_bytes()) == (native.name, native.read_bytes())
    made = again.stat().st_mtime_ns
    assert build(tmp_path) == again
    assert again.stat().st_mtime_ns == made
    assert list(tmp_path.iterdir()) == [again]


def test_an_input_that_changes_makes_another_bundle(native: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PYTHON", "3.12")
    assert TRANSFORM.fingerprint("native") not in native.name
    monkeypatch.undo()
    assert TRANSFORM.fingerprint("native") in native.name
    assert len({TRANSFORM.fingerprint(platform) for platform in PLATFORMS}) == len(PLATFORMS)


def test_the_zip_transforms_a_record_where_only_botocore_stands_beside_it(
    native: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(native) as packed:
        packed.extractall(tmp_path)
    arrival = {"approximateArrivalTimestamp": 1_795_262_400_123}
    data = base64.b64encode(GOOD.read_bytes()).decode()
    event = {"records": [{"recordId": "1", "data": data, **arrival}]}
    bare = [sys.executable, "-I", "-S", "-c", CALL, str(tmp_path), str(EMULATOR), HANDLER]
    done = subprocess.run(bare, input=json.dumps(event), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    line = json.loads(base64.b64decode(answer["records"][0]["data"]))
    assert line["client_address"] == json.loads(GOOD.read_bytes())["data"]["client_address"]
    assert line["_ingested_at"] == "2026-11-21T12:00:00.123000Z"


def test_the_zip_holds_what_the_function_needs_and_nothing_of_this_machine(native: Path) -> None:
    with zipfile.ZipFile(native) as packed:
        names = set(packed.namelist())
        contents = {name: packed.read(name) for name in names}
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops <= {
        "aws_lambda_powertools",
        "headrace",
        "jmespath",
        "lambdas",
        "msgspec",
        "typing_extensions.py",
        "__pycache__",
    }
    assert [name for name in names if "/examples/" in name or "warehouse" in name] == []
    assert [name for name, content in contents.items() if str(ROOT).encode() in content] == []


def test_a_dependency_that_cannot_be_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("msgspec==0.22.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(packing, "ROOT", Path("/"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(LocalStackFailed, match="msgspec"):
        Recipe(name="none", title="nothing", lock=lock, ours=()).build(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_every_platform_is_installed_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("infra.packing.subprocess.run", run)
    build(tmp_path, "aarch64-manylinux_2_28")
    install = next(command for command in asked if "install" in command)
    assert install[install.index("--python-platform") + 1] == "aarch64-manylinux_2_28"
    assert install[install.index("--python-version") + 1] == bundle.PYTHON
