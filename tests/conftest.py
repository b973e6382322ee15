"""What all tests share: untimed property tests (a busy machine is no bug), and a clock moved by hand."""

import os

import pytest
from hypothesis import settings

from tests.doubles.clock import ManualClock

settings.register_profile("headrace", deadline=None)
settings.register_profile("brief", deadline=None, max_examples=5)  # for what only has to run, as in a recipe
settings.load_profile("headrace")

# Every Java here has a short life: compiled once and quickly, Spark takes half the processor time to start.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
