import pytest


@pytest.mark.xdist_group("itself")
def test_tests_of_a_group_stay_on_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist tells a group by the end of a test's id; without it each worker makes its own stack."""
    has_workers = hasattr(request.config, "workerinput")
    assert request.node.nodeid.endswith("@itself") is has_workers
