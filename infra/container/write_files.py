"""`write_files.py FOLDER NAME=VARIABLE ...`: files from environment variables, for the process beside it.

What a task is given as text or from Secrets Manager becomes a file that its main container may only read. It
stands alone: it is copied into the images, and no module of the project.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def write(folder: Path, wanted: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Write each file whole, readable by its owner alone; the variables that are missing or empty."""
    pairs = [one.partition("=")[::2] for one in wanted]
    missing = [variable for _, variable in pairs if not environ.get(variable)]
    if not missing:
        for name, variable in pairs:
            new = folder / f"{name}.new"
            new.touch(mode=0o600)
            new.write_text(environ[variable])
            new.replace(folder / name)
    return missing


def main() -> int:
    """The exit code; a task whose files are not there does not start."""
    folder, *wanted = sys.argv[1:]
    missing = write(Path(folder), wanted, os.environ)  # noqa: TID251  an entry point
    if missing:
        sys.stderr.write(f"nothing is in {', '.join(missing)}: fill it in where the task takes it from\n")
    return 2 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
