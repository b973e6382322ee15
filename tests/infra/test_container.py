"""The image's definition, and the proof that a producer runs with nothing but what its lock lists."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from producers.catalog import names
from producers.configuration import SOURCES
from tests.doubles.kinesis import KinesisDouble
from tests.producers.received import access_lines, assert_all_arrived

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra/container"
PRODUCTS = ("headrace", "producers", "cli")


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9_.-]+)==([^ ;\\]+)", lock.read_text(), flags=re.MULTILINE))


def hashes(lock: Path) -> dict[str, set[str]]:
    """Distribution -> the hashes of its files."""
    parts = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)
    return {part.partition("==")[0]: set(re.findall(r"sha256:\w+", part)) for part in parts if "==" in part}


def wanted(file: Path) -> list[str]:
    return [
        line.partition("#")[0].strip() for line in file.read_text().splitlines() if line and line[0] != "#"
    ]


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (FOLDER / "Dockerfile").read_text())
    return [
        (word, rest.strip())
        for word, _, rest in (line.partition(" ") for line in text.splitlines() if line and line[0] != "#")
    ]


def test_a_producers_lock_is_a_part_of_the_projects_by_version_and_hash() -> None:
    own = pins(FOLDER / "producer.lock")
    assert own.items() <= pins(ROOT / "requirements.lock").items(), "`make lock` writes both"
    found = hashes(FOLDER / "producer.lock")
    assert found.keys() == own.keys()
    assert all(found.values())
    assert {name: found[name] for name in own} == {
        name: hashes(ROOT / "requirements.lock")[name] for name in own
    }


def test_a_producer_needs_little_and_all_of_it_is_the_projects_own_need() -> None:
    needs = wanted(FOLDER / "producer.in")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(needs) <= {re.split(r"[\[<>=]", each)[0] for each in project}
    lock = (FOLDER / "producer.lock").read_text()
    blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    asked = {block.partition("==")[0] for block in blocks if "infra/container/producer.in" in block}
    assert asked == set(needs), "`make lock` writes the lock anew"
    assert not {"pyspark", "pyarrow", "numpy", "pandas", "psycopg"} & pins(FOLDER / "producer.lock").keys()


def test_the_wheel_is_built_with_the_backend_that_the_project_names() -> None:
    (backend,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert wanted(FOLDER / "build.in") == [backend]
    assert pins(FOLDER / "build.lock")["hatchling"] == backend.partition("==")[2]


def test_no_command_goes_through_a_shell() -> None:
    for word, rest in instructions():
        if word in ("RUN", "CMD", "ENTRYPOINT", "SHELL") or " CMD " in f" {rest}":
            array = rest[rest.index("[") :]
            assert all(isinstance(part, str) for part in json.loads(array))
            assert word != "HEALTHCHECK" or rest[: rest.index("[")].endswith("CMD ")


def test_the_image_runs_as_nobody_and_stops_and_shows_its_health_as_the_producer_does() -> None:
    found = instructions()
    last = dict(found[[word for word, _ in found].index("FROM", 1) :])
    user, _, group = last["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert "/healthz" in last["HEALTHCHECK"]
    assert json.loads(last["VOLUME"]) == ["/var/lib/headrace"]
    assert json.loads(last["ENTRYPOINT"]) == ["python", "-m", "producers"]
    assert "ADD" not in [word for word, _ in found]


def test_every_install_is_by_hash_or_offline() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and '"pip"' in rest]
    assert len(installs) == 4
    assert all('"--require-hashes"' in each or '"--no-index"' in each for each in installs)
    assert all('"--no-deps"' in each for each in installs)


def test_what_is_copied_exists_and_is_sent_to_the_build() -> None:
    allowed = [line[1:] for line in wanted(FOLDER / "Dockerfile.dockerignore") if line.startswith("!")]
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == each or source.startswith(f"{each}/") for each in allowed), source


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the project and what the producer's lock lists, and nothing else."""
    folder = tmp_path_factory.mktemp("producer") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in [*pins(FOLDER / "producer.lock"), "headrace"]:
        for top in {file.parts[0] for file in metadata.files(name) or () if ".." not in file.parts}:
            source = Path(str(metadata.distribution(name).locate_file(top)))
            if not top.endswith(".pth") and top != "__pycache__":
                (site / top).symlink_to(source)
    for product in PRODUCTS:
        (site / product).symlink_to(ROOT / product)
    return folder / "bin/python"


def run(python: Path, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *map(str, arguments)],
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"} | environ,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_environment_has_nothing_else(python: Path) -> None:
    assert run(python, "-c", "import msgspec").returncode == 0
    for name in ("pyspark", "numpy", "psycopg", "pytest", "infra"):
        assert "ModuleNotFoundError" in run(python, "-c", f"import {name}").stderr


@pytest.mark.parametrize("source", names(SOURCES))
def test_every_source_is_there_with_the_producers_packages_alone(python: Path, source: str) -> None:
    done = run(python, "-m", "producers", source, "--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_producer_runs_to_its_end_with_its_packages_alone(python: Path, tmp_path: Path) -> None:
    log, spool = tmp_path / "access.log", tmp_path / "spool"
    log.write_bytes(b"\n".join(access_lines(500)))
    with KinesisDouble() as kinesis:
        kinesis.create_stream("events", shards=2)
        done = run(
            python,
            *("-m", "producers", "file", log, "--spool", spool),
            AWS_ENDPOINT_URL=kinesis.url,
            AWS_DEFAULT_REGION="eu-west-1",
            AWS_ACCESS_KEY_ID="AKID",
            AWS_SECRET_ACCESS_KEY="secret",
        )
        assert done.returncode == 0, done.stderr
        assert_all_arrived(kinesis, 500)
    done = run(python, "-m", "cli", "spool", "verify", spool)
    assert done.returncode == 0, done.stderr
    assert "sound" in done.stdout
