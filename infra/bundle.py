"""The transform function's zip: its locked dependencies, and the modules of ours that it carries.

Compiled code halves a cold start, since Lambda's folder cannot be written to.

    python -m infra.bundle --platform x86_64-manylinux_2_28 build
"""

import sys
from pathlib import Path

from infra.packing import NATIVE, PLATFORMS, PYTHON, ROOT, Recipe, build_as_told

__all__ = ["BUILT", "HANDLER", "NATIVE", "PLATFORMS", "PYTHON", "TRANSFORM", "build"]

BUILT = ROOT / "build/functions"
"""Where a checkout keeps what it has built, by the hash of what that was made from."""

HANDLER = "lambdas.transform.handler.handle"
TRANSFORM = Recipe(
    name="transform",
    title="transform",
    lock=ROOT / "lambdas/transform/requirements.lock",
    ours=(
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
    ),
    runs_in="/var/task",
)


def build(folder: Path, platform: str = NATIVE) -> Path:
    """`transform-<hash>.zip` in the folder, for one of PLATFORMS. Raises LocalStackFailed."""
    return TRANSFORM.build(folder, platform)


def main() -> int:
    """Build the zip and print where it is."""
    return build_as_told(build, __doc__, PLATFORMS, NATIVE)


if __name__ == "__main__":
    sys.exit(main())
