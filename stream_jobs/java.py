"""The Java that Spark and KCL run on."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from headrace.errors import SettingsError

_VERSIONS = (17, 21)  # what Spark 4 supports; KCL takes them too


def find_java(environ: Mapping[str, str]) -> str:
    """The program. Raises SettingsError when it is missing or has another version."""
    home = environ.get("JAVA_HOME")
    program = f"{home}/bin/java" if home else shutil.which("java", path=environ.get("PATH"))
    where = "JAVA_HOME" if home else "PATH"
    remedy = "Java 17 or 21 is needed: install one, or point JAVA_HOME at it"
    if program is None or not Path(program).exists():
        raise SettingsError(f"no Java {f'at {home}/bin ({where})' if home else 'found'}. {remedy}")
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) not in _VERSIONS:
        found = f"Java {version[1]}" if version else f"something that is no Java ({told[:80]!r})"
        raise SettingsError(f"{program} ({where}) is {found}. {remedy}")
    return program
