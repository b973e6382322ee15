"""Zips of locked dependencies and modules of ours: for the function, and for the stream job's cluster.

The same inputs give the same bytes: files in order, one date, and compiled code that names neither times nor
folders of this machine.
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import LocalStackFailed
from infra.package_index import as_pip_is_set_up

ROOT = Path(__file__).resolve().parents[1]
NATIVE = "native"
PLATFORMS = (NATIVE, "x86_64-manylinux_2_28", "aarch64-manylinux_2_28")
PYTHON = "3.11"
"""Of Lambda's runtime and of EMR: the version that the tests run on."""

_INSTALLERS_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"}
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can tell
_READABLE = 0o644 << 16


@dataclass(frozen=True)
class Recipe:
    """What a zip is made of.

    Attributes:
        name: the zip's, before its hash.
        title: what a person calls it.
        lock: the locked dependencies.
        ours: our files, as patterns below the root.
        unwanted: folders of the dependencies that are left out, by their names.
        runs_in: the folder that it will lie in, for compiled code; '' for sources only.
        level: how hard to compress, 1 to 9.
    """

    name: str
    title: str
    lock: Path
    ours: tuple[str, ...]
    unwanted: frozenset[str] = frozenset()
    runs_in: str = ""
    level: int = 6

    def build(self, folder: Path, platform: str = NATIVE) -> Path:
        """`<name>-<hash>.zip` in the folder; one that is there already is of the same inputs.

        `platform`: one of PLATFORMS, `native` is this machine. Raises LocalStackFailed when a dependency
        cannot be installed.
        """
        folder = folder.resolve()
        own = self._own_files()  # read once: they may be changed while packages are installed
        bundle = folder / f"{self.name}-{self._fingerprint(platform, own)}.zip"
        if bundle.exists():
            return bundle
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{self.name}-") as work:
            tree, unfinished = Path(work, "tree"), Path(work, "zip")
            self._install(tree, platform)
            shutil.rmtree(tree / "bin", ignore_errors=True)  # programs that name this machine's Python
            for name, content in own.items():
                copy = tree / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content)
            if self.runs_in:
                self._compile(tree, platform)
            self._pack(tree, unfinished)
            unfinished.replace(bundle)  # whole or not at all, whoever else builds it now
        return bundle

    def fingerprint(self, platform: str) -> str:
        """Changes with whatever the zip is made from."""
        return self._fingerprint(platform, self._own_files())

    def _fingerprint(self, platform: str, own: Mapping[str, bytes]) -> str:
        here = (machine.machine(), machine.libc_ver()) if platform == NATIVE else ()
        told = (self.name, sorted(self.unwanted), self.runs_in, self.level)
        digest = hashlib.sha256(repr((told, platform, here, PYTHON, sys.version)).encode())
        made_by = {"recipe": Path(__file__).read_bytes(), "lock": self.lock.read_bytes()}
        for name, content in {**made_by, **own}.items():
            digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]

    def _own_files(self) -> dict[str, bytes]:
        paths = (path for pattern in self.ours for path in sorted(ROOT.glob(pattern)))
        return {str(path.relative_to(ROOT)): path.read_bytes() for path in paths}

    def _install(self, tree: Path, platform: str) -> None:
        """The locked packages, from uv's cache if they are there."""
        target = ["--python", sys.executable]
        if platform != NATIVE:
            target += ["--python-platform", platform, "--python-version", PYTHON]
        uv = str(Path(sys.executable).with_name("uv"))
        install = [uv, "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", *target]
        install += ["--link-mode", "copy", "--target", str(tree), "--requirement", str(self.lock)]
        environ = as_pip_is_set_up(os.environ, sys.executable)  # noqa: TID251  uv's own settings pass through
        offline = subprocess.run([*install, "--offline"], env=environ, capture_output=True, check=False)
        if offline.returncode == 0:
            return
        done = subprocess.run(install, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalStackFailed(
                f"the dependencies of the {self.title} cannot be installed: {done.stderr.strip()}"
            )

    def _compile(self, tree: Path, platform: str) -> None:
        """Compiled code beside the sources, if this Python is the one that will run it."""
        if platform != NATIVE and f"{sys.version_info[0]}.{sys.version_info[1]}" != PYTHON:
            return
        command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        place = ["-s", str(tree), "-p", self.runs_in, str(tree)]
        environ = {"PYTHONHASHSEED": "0"}  # the order of constant sets
        done = subprocess.run([*command, *place], env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalStackFailed(f"the {self.title} cannot be compiled: {done.stdout.strip()}")

    def _pack(self, tree: Path, bundle: Path) -> None:
        with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED, compresslevel=self.level) as packed:
            for path in sorted(tree.rglob("*")):
                inside = path.relative_to(tree)
                unwanted = path.name in _INSTALLERS_NOTES or self.unwanted.intersection(inside.parts)
                if path.is_file() and not unwanted:
                    entry = zipfile.ZipInfo(str(inside), _DATE)
                    entry.external_attr = _READABLE
                    packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, self.level)


def build_as_told(
    build: Callable[[Path, str], Path], what: str | None, platforms: Sequence[str], default: str
) -> int:
    """Build for the platform and into the folder that the command line names; the exit code."""
    arguments = argparse.ArgumentParser(description=what, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--platform", choices=platforms, default=default, help="where it is to run")
    arguments.add_argument("out", type=Path, metavar="OUT", help="the folder for the zip")
    given = arguments.parse_args()
    try:
        sys.stdout.write(f"{build(given.out, given.platform)}\n")
    except LocalStackFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
