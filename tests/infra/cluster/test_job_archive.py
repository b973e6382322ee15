"""The archive in a folder of its own, run by a bare Spark: no checkout, no dependency of the tests."""

import contextlib
import dataclasses
import os
import platform
import signal
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyspark
import pytest

from infra.cluster import job_archive
from infra.cluster.job_archive import ARCHITECTURES, ENTRY, ENVIRONMENT, JOB
from infra.local import java
from infra.package_index import as_pip_is_set_up
from tests.doubles.kinesis import KinesisDouble
from tests.stream_jobs.job.conftest import kinesis, server, url  # noqa: F401  fixtures
from tests.stream_jobs.job.harness import PATIENCE, access, counted, send

pytestmark = pytest.mark.xdist_group("job-archive")

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "build"
HERE = platform.machine()
MACHINES = {"x86_64": 62, "aarch64": 183}  # ELF's e_machine
EMRS, OWN = "4.0.2", pyspark.__version__  # Spark's version on EMR today, and that of the tests

_KEPT_SECONDS = 3600
IMPORT_ALL = """
import importlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(root))
paths = [path for top in ("headrace", "stream_jobs") for path in sorted(root.glob(f"{top}/**/*.py"))]
names = {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in paths}
for name in sorted(names):
    importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def archives() -> dict[str, Path]:
    """Built once for a state of the sources, and kept for the next run; those of old states go.

    Of another machine's only what differs: the dependencies. Nothing is compressed: all else takes less time.
    """
    folder = BUILD / "cluster"
    for old in folder.glob("*.zip"):
        if time.time() - old.stat().st_mtime > _KEPT_SECONDS:
            old.unlink(missing_ok=True)
    job = dataclasses.replace(JOB, level=0)
    dependencies = dataclasses.replace(job, name="dependencies", ours=())
    others = [architecture for architecture in ARCHITECTURES if architecture != HERE]
    made = {other: dependencies.build(folder, f"{other}-manylinux_2_28") for other in others}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_archive, "JOB", job)
        return {HERE: job_archive.build(folder, HERE), **made}


class Machine(NamedTuple):
    """Where a cluster has Spark, and its Python, in which is nothing or Spark alone."""

    spark: Path
    python: Path


@pytest.fixture(scope="module")
def machines() -> dict[str, Machine]:
    """By Spark's version; the classes of the tests' own are loaded already, see `tests.class_archive`."""
    older = environment("spark-" + EMRS, f"pyspark=={EMRS}", "py4j==0.10.9.9")
    (installed,) = older.parents[1].glob("lib/python*/site-packages/pyspark")
    own = Path(pyspark.__file__).parent
    return {EMRS: Machine(installed, older), OWN: Machine(own, environment("bare"))}


def environment(name: str, *packages: str) -> Path:
    """The Python of a virtual environment with these packages and nothing else, made once."""
    python, made = BUILD / name / "bin/python", BUILD / name / "made"
    if not made.exists():
        environ = as_pip_is_set_up(os.environ, sys.executable)
        uv = str(Path(sys.executable).with_name("uv"))
        make = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(BUILD / name)]
        subprocess.run(make, env=environ, check=True)
        install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", str(python), *packages]
        if packages:
            subprocess.run(install, env=environ, check=True)
        made.touch()
    return python


@pytest.fixture(scope="module")
def container(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the cluster makes it: the archive unpacked beside the entry script."""
    folder = tmp_path_factory.mktemp("container")
    with zipfile.ZipFile(archives[HERE]) as packed:
        packed.extractall(folder / ENVIRONMENT)
    (folder / ENTRY.name).write_bytes(ENTRY.read_bytes())
    return folder


@pytest.fixture
def submit(
    container: Path,
    machines: dict[str, Machine],
    kinesis: KinesisDouble,  # noqa: F811  the fixture
    url: str,  # noqa: F811  the fixture
    tmp_path: Path,
) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Runs the job as a container of the cluster does."""
    processes = []

    def run(version: str) -> subprocess.Popen[bytes]:
        machine = machines[version]
        environ = {
            "PATH": "/usr/bin:/bin",
            "JAVA_HOME": str(java.find(os.environ).home),
            "JDK_JAVA_OPTIONS": os.environ["JDK_JAVA_OPTIONS"],
            "PYSPARK_PYTHON": str(machine.python),
            "PYTHONPATH": f"./{ENVIRONMENT}",
            "SPARK_HOME": str(machine.spark),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": kinesis.url,
            "HEADRACE_WAREHOUSE_URL": url,
            "HEADRACE_SPARK_MASTER": "submitted",
            "HEADRACE_STATE": str(tmp_path / "state"),
            "HEADRACE_CHECKPOINT": f"file://{tmp_path}/checkpoint/1",
            "HEADRACE_TRIGGER_MS": "100",
            "HEADRACE_LOG_FORMAT": "json",
        }
        program = str(machine.spark / "bin/spark-submit")
        command = [program, "--master", "local[1]", "--driver-memory", "1g", ENTRY.name]
        with (tmp_path / f"{version}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=container, env=environ, stdout=log, stderr=log, start_new_session=True
            )
        processes.append(process)
        return process

    yield run
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.spark
@pytest.mark.stack
@pytest.mark.parametrize("version", [EMRS, OWN])
def test_the_archive_runs_where_there_is_only_spark(
    submit: Callable[[str], subprocess.Popen[bytes]],
    kinesis: KinesisDouble,  # noqa: F811  the fixture
    url: str,  # noqa: F811  the fixture
    tmp_path: Path,
    version: str,
) -> None:
    send(kinesis, [access(number) for number in range(1, 101)])
    process = submit(version)
    deadline = time.monotonic() + PATIENCE
    while counted(url) < 100:
        assert process.poll() is None, (tmp_path / f"{version}.log").read_text()
        assert time.monotonic() < deadline, (tmp_path / f"{version}.log").read_text()
        time.sleep(0.2)  # looking takes a connection
    assert list((tmp_path / "checkpoint/1/offsets").iterdir())


def test_every_module_of_ours_finds_what_it_imports(
    container: Path, machines: dict[str, Machine], tmp_path: Path
) -> None:
    command = [str(machines[EMRS].python), "-I", "-c", IMPORT_ALL, str(container / ENVIRONMENT)]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 80


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_native_module_is_of_the_clusters_machine(archives: dict[str, Path], architecture: str) -> None:
    with zipfile.ZipFile(archives[architecture]) as packed:
        native = {name: packed.open(name).read(20) for name in packed.namelist() if ".so" in name}
    assert any(name.startswith("pyarrow/") for name in native)
    for name, content in native.items():
        assert content[:4] == b"\x7fELF", name
        assert struct.unpack_from("<H", content, 18)[0] == MACHINES[architecture], name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_wheel_says_that_it_runs_there(archives: dict[str, Path], architecture: str) -> None:
    with zipfile.ZipFile(archives[architecture]) as packed:
        wheels = {name: packed.read(name) for name in packed.namelist() if name.endswith("/WHEEL")}
    tags = {tag for body in wheels.values() for tag in body.decode().splitlines() if tag.startswith("Tag:")}
    assert len(wheels) > 20
    for tag in tags:
        interpreter, _, system = tag.removeprefix("Tag: ").split("-")
        assert interpreter in {"cp311", "py3", "py2", "cp39", "cp38", "cp310"}, tag
        assert system == "any" or (system.startswith("manylinux") and system.endswith(architecture)), tag


def test_the_archive_holds_the_job_and_neither_spark_nor_other_doors(archives: dict[str, Path]) -> None:
    with zipfile.ZipFile(archives[HERE]) as packed:
        names = set(packed.namelist())
    assert {
        "stream_jobs/__main__.py",
        "stream_jobs/log4j2.properties",
        "headrace/warehouse/warehouse.py",
    } <= names
    tops = {name.split("/")[0] for name in names}
    assert tops.isdisjoint({"pyspark", "py4j", "infra", "producers", "lambdas", "cli", "tests", "pytest"})
    assert [name for name in names if name.startswith(("stream_jobs/error_desk", "headrace/schemas/ex"))] == [
        "headrace/schemas/examination.py"
    ]


def test_two_builds_of_the_same_inputs_are_the_same_bytes(tmp_path: Path) -> None:
    few = dataclasses.replace(
        JOB, lock=ROOT / "lambdas/transform/requirements.lock"
    )  # the rest takes a minute
    one, other = (few.build(tmp_path / name, f"{HERE}-manylinux_2_28") for name in ("one", "other"))
    assert (one.name, one.read_bytes()) == (other.name, other.read_bytes())


def test_another_machine_and_other_contents_are_another_archive() -> None:
    recipes = (JOB, dataclasses.replace(JOB, unwanted=frozenset()), dataclasses.replace(JOB, level=6))
    made = {one.fingerprint(f"{name}-manylinux_2_28") for name in ARCHITECTURES for one in recipes}
    assert len(made) == len(ARCHITECTURES) * len(recipes)
