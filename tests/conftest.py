"""What all tests share: untimed property tests (a busy machine is no bug), and a clock moved by hand."""

import pytest
from hypothesis import settings

from tests.doubles.clock import ManualClock

settings.register_profile("headrace", deadline=None)
settings.load_profile("headrace")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
