"""The transform function's zip: its locked dependencies, and the modules of ours that it carries.

The same inputs give the same bytes: files in order, one date, and compiled code that names neither times nor
folders of this machine. Compiled code halves a cold start, since Lambda's folder cannot be written to.

    python -m infra.bundle --platform x86_64-manylinux_2_28 build
"""

import argparse
import hashlib
import os
import platform as machine
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from headrace.errors import LocalStackFailed
from infra.package_index import as_pip_is_set_up

ROOT = Path(__file__).resolve().parents[1]
HANDLER = "lambdas.transform.handler.handle"
NATIVE = "native"
PLATFORMS = (NATIVE, "x86_64-manylinux_2_28", "aarch64-manylinux_2_28")
PYTHON = "3.11"
"""Of Lambda's runtime: the version that the tests run on."""

_LOCK = ROOT / "lambdas/transform/requirements.lock"
_OURS = (
    "headrace/__init__.py",
    "headrace/errors.py",
    "headrace/kinesis/*.py",
    "headrace/ops/__init__.py",
    "headrace/ops/clock.py",
    "headrace/ops/settings.py",
    "headrace/schemas/*.py",
    "headrace/schemas/records/*.py",
    "lambdas/__init__.py",
    "lambdas/transform/*.py",
)
_INSTALLERS_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"}
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can tell
_READABLE = 0o644 << 16


def build(folder: Path, platform: str = NATIVE) -> Path:
    """`transform-<hash>.zip` in the folder; one that is there already is of the same inputs.

    `platform`: one of PLATFORMS, `native` is this machine. Raises LocalStackFailed when a dependency cannot
    be installed.
    """
    folder = folder.resolve()
    bundle = folder / f"transform-{_fingerprint(platform)}.zip"
    if bundle.exists():
        return bundle
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".transform-") as work:
        tree, unfinished = Path(work, "tree"), Path(work, "zip")
        _install(tree, platform)
        shutil.rmtree(tree / "bin", ignore_errors=True)  # programs that name this machine's Python
        for path in _own_files():
            copy = tree / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
        _compile(tree, platform)
        _pack(tree, unfinished)
        unfinished.replace(bundle)  # whole or not at all, whoever else builds it now
    return bundle


def _own_files() -> Iterator[Path]:
    return (path for pattern in _OURS for path in sorted(ROOT.glob(pattern)))


def _fingerprint(platform: str) -> str:
    """Changes with whatever the zip is made from."""
    here = (machine.machine(), machine.libc_ver()) if platform == NATIVE else ()
    digest = hashlib.sha256(repr((platform, here, PYTHON, sys.version)).encode())
    for path in (Path(__file__), _LOCK, *_own_files()):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _install(tree: Path, platform: str) -> None:
    """The locked packages, from uv's cache if they are there."""
    target = ["--python", sys.executable]
    if platform != NATIVE:
        target += ["--python-platform", platform, "--python-version", PYTHON]
    uv = str(Path(sys.executable).with_name("uv"))
    install = [uv, "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", *target]
    install += ["--link-mode", "copy", "--target", str(tree), "--requirement", str(_LOCK)]
    environ = as_pip_is_set_up(os.environ, sys.executable)  # noqa: TID251  uv's own settings pass through
    offline = subprocess.run([*install, "--offline"], env=environ, capture_output=True, check=False)
    if offline.returncode == 0:
        return
    done = subprocess.run(install, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalStackFailed(f"the transform's dependencies cannot be installed: {done.stderr.strip()}")


def _compile(tree: Path, platform: str) -> None:
    """Compiled code beside the sources, if this Python is the one that will run it."""
    if platform != NATIVE and f"{sys.version_info[0]}.{sys.version_info[1]}" != PYTHON:
        return
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    place = ["-s", str(tree), "-p", "/var/task", str(tree)]
    environ = {"PYTHONHASHSEED": "0"}  # the order of constant sets
    done = subprocess.run([*command, *place], env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalStackFailed(f"the transform cannot be compiled: {done.stdout.strip()}")


def _pack(tree: Path, bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(tree.rglob("*")):
            if path.is_file() and path.name not in _INSTALLERS_NOTES:
                entry = zipfile.ZipInfo(str(path.relative_to(tree)), _DATE)
                entry.external_attr = _READABLE
                packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


def main() -> int:
    """Build the zip and print where it is."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--platform", choices=PLATFORMS, default=NATIVE, help="where it is to run")
    arguments.add_argument("out", type=Path, metavar="OUT", help="the folder for the zip")
    given = arguments.parse_args()
    try:
        sys.stdout.write(f"{build(given.out, given.platform)}\n")
    except LocalStackFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
