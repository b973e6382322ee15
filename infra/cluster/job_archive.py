"""The stream job's archive: its modules and its Python environment, as a cluster unpacks them.

Spark unpacks `<URL>#environment` into a folder of that name in the working directory of the driver and of
each executor, where `PYTHONPATH` finds it. A zip that Python imports from would not do: native modules cannot
lie in one. Spark itself is not in it, since the cluster has its own.

    python -m infra.cluster.job_archive --platform aarch64 build
"""

import platform as machine
import sys
from pathlib import Path

from infra.packing import ROOT, Recipe, build_as_told

ENVIRONMENT = "environment"
ENTRY = Path(__file__).with_name("job_entry.py")
ARCHITECTURES = ("x86_64", "aarch64")

JOB = Recipe(
    name="stream-job",
    title="stream job",
    lock=ROOT / "infra/cluster/job.lock",
    ours=(
        "headrace/__init__.py",
        "headrace/errors.py",
        "headrace/kinesis/**/*.py",
        "headrace/ops/**/*.py",
        "headrace/schemas/**/*.py",
        "headrace/warehouse/**/*.py",
        "stream_jobs/*.py",
        "stream_jobs/*.properties",
        "stream_jobs/fold/*.py",
        "stream_jobs/source/*.py",
    ),
    unwanted=frozenset({"tests", "include", "__pycache__"}),
    level=1,  # a third larger than at 6, in a third of the time
)


def build(folder: Path, architecture: str) -> Path:
    """`stream-job-<hash>.zip` in the folder, for one of ARCHITECTURES. Raises LocalStackFailed."""
    return JOB.build(folder, f"{architecture}-manylinux_2_28")


def main() -> int:
    """Build the archive and print where it is."""
    return build_as_told(build, __doc__, ARCHITECTURES, machine.machine())


if __name__ == "__main__":
    sys.exit(main())
