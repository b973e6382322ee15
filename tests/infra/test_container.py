"""The images' definitions, and the proof that each process runs with nothing but what its lock lists."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from headrace.ops.health import Health, HealthServer
from infra.container import DESK_HEALTH, FILES, PRODUCER_HEALTH, STATE, USER, WRITE_FILES
from infra.container.write_files import write
from producers.catalog import names
from producers.configuration import SOURCES
from stream_jobs.error_desk.daemon import find_jars
from tests.doubles.kinesis import KinesisDouble
from tests.producers.received import access_lines, assert_all_arrived

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "infra/container"
PRODUCTS = ("headrace", "producers", "stream_jobs", "cli")
LOCKS = {"producer": "Dockerfile", "error_desk": "error_desk.Dockerfile"}
IMAGES = tuple(LOCKS.values())


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


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (FOLDER / dockerfile).read_text())
    return [
        (word, rest.strip())
        for word, _, rest in (line.partition(" ") for line in text.splitlines() if line and line[0] != "#")
    ]


def of_the_image(dockerfile: str) -> dict[str, str]:
    """What the last stage says."""
    found = instructions(dockerfile)
    return dict(found[max(number for number, (word, _) in enumerate(found) if word == "FROM") :])


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_a_part_of_the_projects_by_version_and_hash(name: str) -> None:
    own, project = pins(FOLDER / f"{name}.lock"), pins(ROOT / "requirements.lock")
    assert own.items() <= project.items(), "`make lock` writes both"
    found = hashes(FOLDER / f"{name}.lock")
    assert found.keys() == own.keys()
    assert all(found.values())
    theirs = hashes(ROOT / "requirements.lock")
    assert {key: found[key] for key in own} == {key: theirs[key] for key in own}


@pytest.mark.parametrize("name", LOCKS)
def test_a_process_needs_little_and_all_of_it_is_the_projects_own_need(name: str) -> None:
    needs = wanted(FOLDER / f"{name}.in")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    assert set(needs) <= {re.split(r"[\[<>=]", each)[0] for each in known}
    blocks = re.split(r"^(?=[a-z0-9])", (FOLDER / f"{name}.lock").read_text(), flags=re.MULTILINE)
    asked = {block.partition("==")[0] for block in blocks if f"infra/container/{name}.in" in block}
    assert asked == {need.replace("_", "-") for need in needs}, "`make lock` writes the lock anew"
    assert not {"pyspark", "pandas", "psycopg"} & pins(FOLDER / f"{name}.lock").keys()


def test_a_producer_needs_no_arrays() -> None:
    assert not {"pyarrow", "numpy"} & pins(FOLDER / "producer.lock").keys()


def test_the_wheel_is_built_with_the_backend_that_the_project_names() -> None:
    (backend,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert wanted(FOLDER / "build.in") == [backend]
    assert pins(FOLDER / "build.lock")["hatchling"] == backend.partition("==")[2]


@pytest.mark.parametrize("dockerfile", IMAGES)
def test_no_command_goes_through_a_shell(dockerfile: str) -> None:
    for word, rest in instructions(dockerfile):
        if word in ("RUN", "CMD", "ENTRYPOINT", "SHELL") or " CMD " in f" {rest}":
            array = rest[rest.index("[") :]
            assert all(isinstance(part, str) for part in json.loads(array))
            assert word != "HEALTHCHECK" or rest[: rest.index("[")].endswith("CMD ")


@pytest.mark.parametrize(
    ("dockerfile", "program", "volumes", "health"),
    [
        ("Dockerfile", "producers", [STATE, FILES], PRODUCER_HEALTH),
        ("error_desk.Dockerfile", "stream_jobs.error_desk", [STATE], DESK_HEALTH),
    ],
)
def test_an_image_runs_as_nobody_and_stops_and_shows_its_health_as_its_process_does(
    dockerfile: str, program: str, volumes: list[str], health: tuple[str, ...]
) -> None:
    last = of_the_image(dockerfile)
    assert last["USER"] == f"{USER}:{USER}"
    assert last["STOPSIGNAL"] == "SIGTERM"
    asked = last["HEALTHCHECK"]
    assert tuple(json.loads(asked[asked.index("[") :])) == health, "ECS is told the same"
    assert json.loads(last["VOLUME"]) == volumes
    assert json.loads(last["ENTRYPOINT"]) == ["python", "-m", program]
    assert "ADD" not in [word for word, _ in instructions(dockerfile)]


@pytest.mark.parametrize(("dockerfile", "count"), [("Dockerfile", 4), ("error_desk.Dockerfile", 6)])
def test_every_install_is_by_hash_or_offline(dockerfile: str, count: int) -> None:
    installs = [rest for word, rest in instructions(dockerfile) if word == "RUN" and '"pip"' in rest]
    assert len(installs) == count
    for each in installs:
        assert '"--require-hashes"' in each or '"--no-index"' in each
        assert '"--no-deps"' in each or '"--no-index"' in each


@pytest.mark.parametrize("dockerfile", IMAGES)
def test_what_is_copied_exists_and_is_sent_to_the_build(dockerfile: str) -> None:
    sent = FOLDER / f"{dockerfile}.dockerignore"
    allowed = [line[1:] for line in wanted(sent) if line.startswith("!")]
    for word, rest in instructions(dockerfile):
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == each or source.startswith(f"{each}/") for each in allowed), source


def test_the_jars_of_the_image_are_those_that_the_tests_run_on() -> None:
    lines = (line.split() for line in (FOLDER / "kcl.sha256").read_text().splitlines())
    locked = {Path(path).name: digest for digest, path in lines}
    jars = find_jars()
    assert {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars.glob("*.jar")} == locked


@pytest.mark.parametrize("works", [True, False])
def test_a_desk_that_waits_is_alive_and_a_producer_that_does_not_work_is_not(works: bool) -> None:
    with HealthServer(lambda: Health(ok=works, detail={})) as server:
        assert asked(server.port) == (0 if works else 1, 0)


def test_what_does_not_answer_is_not_alive() -> None:
    with HealthServer(lambda: Health(ok=True, detail={})) as server:
        port = server.port
    assert asked(port) == (1, 1)


def asked(port: int) -> tuple[int, ...]:
    """The exit codes of what ECS asks of a producer and of the desk."""
    environ = {"HEADRACE_HEALTH_PORT": str(port)}
    return tuple(
        subprocess.run(
            [sys.executable, *command[1:]], env=environ, stderr=subprocess.DEVNULL, timeout=30, check=False
        ).returncode
        for command in (PRODUCER_HEALTH, DESK_HEALTH)
    )


def test_files_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    assert write(tmp_path, ["a.toml=A", "tokens=B"], {"A": "x = 1\n", "B": "t"}) == []
    assert (tmp_path / "a.toml").read_text() == "x = 1\n"
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "a.toml": 0o600,
        "tokens": 0o600,
    }


def test_no_file_is_written_while_one_is_missing(tmp_path: Path) -> None:
    assert write(tmp_path, ["a=A", "b=B", "c=C"], {"A": "x", "B": ""}) == ["B", "C"]
    assert list(tmp_path.iterdir()) == []


def test_a_task_without_its_secrets_does_not_start_and_says_which(tmp_path: Path) -> None:
    script = FOLDER / "write_files.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path, "tokens=HTTP_TOKENS"],
        env={},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, "HTTP_TOKENS" in done.stderr) == (2, True)


def test_the_program_that_writes_files_is_where_tasks_look_for_it() -> None:
    program, script, folder = WRITE_FILES
    assert program == "python"
    assert ("COPY", f"infra/container/write_files.py {script}") in instructions("Dockerfile")
    assert folder in json.loads(of_the_image("Dockerfile")["VOLUME"])


def bare(folder: Path, lock: str) -> Path:
    """An environment that has the project and what a lock lists, and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in [*pins(FOLDER / lock), "headrace"]:
        for top in {file.parts[0] for file in metadata.files(name) or () if ".." not in file.parts}:
            source = Path(str(metadata.distribution(name).locate_file(top)))
            if not top.endswith(".pth") and top != "__pycache__" and not (site / top).exists():
                (site / top).symlink_to(source)
    for product in PRODUCTS:
        (site / product).symlink_to(ROOT / product)
    return folder / "bin/python"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a producer runs on."""
    return bare(tmp_path_factory.mktemp("producer") / "venv", "producer.lock")


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
    asked = ("msgspec", "pyspark", "numpy", "psycopg", "pytest", "infra")
    found = "import sys, importlib.util as u; print(*filter(u.find_spec, sys.argv[1:]))"
    assert run(python, "-c", found, *asked).stdout.split() == ["msgspec"]


EVERY_HELP = """
import contextlib, io, runpy, sys
for source in sys.argv[1:]:
    sys.argv = ["producers", source, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as told:
        try:
            runpy.run_module("producers", run_name="__main__")
        except SystemExit as end:
            assert not end.code, source
    assert f"producers {source}" in told.getvalue(), source
"""


def test_every_source_is_there_with_the_producers_packages_alone(python: Path) -> None:
    done = run(python, "-c", EVERY_HELP, *names(SOURCES))
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


def test_the_error_desk_starts_with_its_packages_alone(tmp_path: Path) -> None:
    python = bare(tmp_path / "venv", "error_desk.lock")
    desk, engines = "stream_jobs.error_desk", "headrace.warehouse.engines"
    done = run(python, "-c", f"import {desk}.launcher, {desk}.processor, {engines}.redshift")
    assert (done.returncode, done.stderr) == (0, "")
    told = run(python, "-m", "stream_jobs.error_desk")
    assert told.returncode == 2
    assert "HEADRACE_WAREHOUSE_URL" in told.stderr
