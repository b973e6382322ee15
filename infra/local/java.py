"""Finds the Java that Spark runs on; standard library only, because set-up runs it on a bare machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from headrace.errors import LocalStackFailed

VERSIONS = (17, 21)  # what Spark 4 supports


class Java(NamedTuple):
    """A Java that Spark can run on."""

    home: Path
    version: int


def find(environ: Mapping[str, str], *, installed: Path = Path("/usr/lib/jvm")) -> Java:
    """The first Java of a fitting version: JAVA_HOME, then PATH, then those installed by packages.

    Raises LocalStackFailed, which names the versions that were found and do not fit.
    """
    unfit: list[str] = []
    for home, place in _candidates(environ, installed):
        version = _version(home)
        if version in VERSIONS:
            return Java(home, version)
        if version is not None:
            unfit.append(f"Java {version} ({place})")
    found = f"only {', '.join(dict.fromkeys(unfit))} was found" if unfit else "none was found"
    raise LocalStackFailed(
        f"Spark needs Java 17 or 21, and {found}: install one (on Debian and Ubuntu "
        "`apt-get install openjdk-17-jre-headless`, or 21) or point JAVA_HOME at one."
    )


def _candidates(environ: Mapping[str, str], installed: Path) -> Iterator[tuple[Path, str]]:
    if named := environ.get("JAVA_HOME"):
        yield Path(named), "JAVA_HOME"
    if program := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(program).resolve().parents[1], f"{program} on PATH"
    if installed.is_dir():
        for home in sorted(path for path in installed.iterdir() if (path / "bin/java").exists()):
            yield home, str(home)


def _version(home: Path) -> int | None:
    """The major version of the Java at home: from its release file, else asked (0.1 s)."""
    program = home / "bin/java"
    if not program.exists():
        return None
    release = home / "release"
    try:
        text = release.read_text(errors="replace")
    except OSError:
        asked = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
        text = asked.stderr
    found = re.search(r'version "(?:1\.)?(\d+)|JAVA_VERSION="(?:1\.)?(\d+)', text)
    return int(found[1] or found[2]) if found else None


if __name__ == "__main__":
    # For the Makefile: tests and benches start Spark themselves.
    sys.stdout.write(f"{find(os.environ).home}\n")  # noqa: TID251  an entry point
