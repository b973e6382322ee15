"""Sets the project up on a bare machine: two environments from their locks, Java and MariaDB where missing.

Runs on the system's Python before anything is installed, so it uses the standard library only, and the check
of the version comes before anything that an older Python cannot read. A second run changes nothing and takes
a fraction of a second.
"""

import os
import shutil
import subprocess
import sys

NEEDED = (3, 11)

if sys.version_info < NEEDED:
    for minor in range(14, NEEDED[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer and subprocess.call([newer, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(newer, [newer, "-m", "infra.local.bootstrap"])  # noqa: S606  no shell is wanted
    sys.exit(
        f"headrace needs Python 3.11 or newer, and {sys.executable} is {sys.version_info[0]}."
        f"{sys.version_info[1]}: install one, or name it with `make setup PYTHON=/path/to/python3`."
    )

import hashlib  # noqa: E402  the check of the version comes first
import importlib.util  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

from headrace.errors import LocalStackFailed  # noqa: E402
from infra.local import java, mariadb  # noqa: E402
from infra.package_index import as_pip_is_set_up  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / ".venv"
EMULATOR = ROOT / ".venv-emulator"
LOCKS = {
    "installer": ROOT / "infra/local/installer.lock",
    "project": ROOT / "requirements.lock",
    "emulator": ROOT / "infra/local/emulator.lock",
}


def main() -> int:
    """Bring the checkout to the state that its locks describe; the exit code."""
    environ = dict(os.environ)  # noqa: TID251  an entry point
    try:
        _environments(environ)
        _java(environ)
        _mariadb(environ)
    except LocalStackFailed as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    return 0


def _environments(environ: dict[str, str]) -> None:
    stamp = PROJECT / ".headrace-setup"
    wanted = _fingerprint()
    programs = (PROJECT / "bin/python", PROJECT / "bin/headrace", EMULATOR / "bin/ministack")
    if stamp.exists() and stamp.read_text() == wanted and all(program.exists() for program in programs):
        return
    started = time.monotonic()
    _make_environment(environ)
    environ = as_pip_is_set_up(environ, str(PROJECT / "bin/python"))
    uv = str(PROJECT / "bin/uv")
    _say("installing the locked packages (about 500 MB the first time)")
    _run([uv, "pip", "sync", "--require-hashes", "--python", str(PROJECT), str(LOCKS["project"])], environ)
    _run([uv, "pip", "install", "--no-deps", "--python", str(PROJECT), "--editable", str(ROOT)], environ)
    _say("installing the AWS emulator into .venv-emulator")
    _run([uv, "venv", "--clear", "--python", str(PROJECT / "bin/python"), str(EMULATOR)], environ)
    _run([uv, "pip", "sync", "--require-hashes", "--python", str(EMULATOR), str(LOCKS["emulator"])], environ)
    stamp.write_text(wanted)
    _say(f"done in {time.monotonic() - started:.0f} s")


def _fingerprint() -> str:
    """Changes with whatever the environments were made from: the locks, the project file, the folder."""
    digest = hashlib.sha256(bytes(ROOT))
    for path in (ROOT / "pyproject.toml", *LOCKS.values()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make_environment(environ: dict[str, str]) -> None:
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise LocalStackFailed(
            f"Python's venv module is missing: install it, on Debian and Ubuntu with "
            f"`apt-get install python{version}-venv`."
        )
    if not (PROJECT / "bin/pip").exists() or not (PROJECT / "bin/python").exists():
        _say(f"making .venv with Python {sys.version.split()[0]}")
        _run([sys.executable, "-m", "venv", "--clear", str(PROJECT)], environ)
    pip = [str(PROJECT / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--no-deps", "--require-hashes", "-r", str(LOCKS["installer"])], environ)


def _java(environ: dict[str, str]) -> None:
    try:
        java.find(environ)
    except LocalStackFailed as missing:
        apt = _apt(environ)
        if apt is None:
            raise
        _say("installing Java with apt (Spark runs on it)")
        _run([*apt, "update", "-qq"], environ)
        packages = [f"openjdk-{version}-jre-headless" for version in java.VERSIONS]
        if not any(_installed(apt, package, environ) for package in packages):
            raise LocalStackFailed(f"{missing} (apt-get could not install it.)") from missing
        java.find(environ)


def _mariadb(environ: dict[str, str]) -> None:
    """Everything else works without it."""
    try:
        mariadb.find(environ)
    except LocalStackFailed as missing:
        apt = _apt(environ)
        if apt is not None:
            _say("installing MariaDB with apt (the laptop's stand-in for RDS MySQL)")
            update = [*apt, "update", "-qq"]
            subprocess.run(update, env=environ, capture_output=True, check=False)
        if apt is None or not _installed(apt, mariadb.PACKAGE, environ):
            _say(f"going on without it, only `headrace batch load-mysql` needs it: {missing}")


def _installed(apt: list[str], package: str, environ: dict[str, str]) -> bool:
    install = [*apt, "install", "-y", "-qq", "--no-install-recommends", package]
    return subprocess.run(install, env=environ, capture_output=True, check=False).returncode == 0


def _apt(environ: dict[str, str]) -> list[str] | None:
    """The apt-get call that works without asking anyone, or None."""
    if shutil.which("apt-get") is None:
        return None
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    if os.geteuid() == 0:
        return quiet
    may = ["sudo", "-n", "true"]
    if (
        shutil.which("sudo")
        and subprocess.run(may, env=environ, capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n", *quiet]
    return None


def _say(text: str) -> None:
    sys.stderr.write(f"setup: {text}\n")
    sys.stderr.flush()


def _run(command: list[str], environ: dict[str, str]) -> None:
    """Run a step; its own words are shown to a person as they come, and to a log only when it fails."""
    capture = not sys.stderr.isatty()
    done = subprocess.run(
        command,
        env=environ,
        check=False,
        text=True,
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.STDOUT if capture else None,
    )
    if done.returncode:
        sys.stderr.write(done.stdout or "")
        raise LocalStackFailed(
            f"`{' '.join(command[:4])} …` failed (exit code {done.returncode}), see above."
        )


if __name__ == "__main__":
    sys.exit(main())
