import pytest

from tests.doubles.clock import ManualClock
from tests.infra.delivery.scripted import Scripted


@pytest.fixture
def scripted() -> Scripted:
    return Scripted(ManualClock())
