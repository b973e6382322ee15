"""What all tests share: untimed property tests (a busy machine is no bug), and a clock moved by hand."""

import functools
import os
import sys

import botocore.session
import pytest
from hypothesis import settings

from tests import class_archive
from tests.doubles.clock import ManualClock

settings.register_profile("headrace", deadline=None)
settings.register_profile("brief", deadline=None, max_examples=5)  # for what only has to run, as in a recipe
settings.load_profile("headrace")

# A service's model is read once in a process, not for each of the many sessions.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# Where the environment forbids to keep compiled code, each process compiles anew whatever it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Every Java here has a short life: compiled once and quickly, and with its classes loaded already where
# `make test` has left them, Spark takes a quarter of the processor time to start.
os.environ.setdefault(
    "JDK_JAVA_OPTIONS", f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC {class_archive.options()}".strip()
)


_LONG_NAME = 100


def pytest_make_parametrize_id(val: object) -> str | None:
    """A long parameter is told by its start and length: some have a megabyte, and names go through logs."""
    if isinstance(val, str | bytes) and len(val) > _LONG_NAME:
        return f"{val[:40]!a} of {len(val)}"
    return None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
