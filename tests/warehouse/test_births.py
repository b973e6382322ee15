from collections.abc import Callable

import pytest

from headrace.ops.clock import Clock
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.reconcile import reconcile
from headrace.warehouse.warehouse import connect as open_warehouse
from tests.warehouse.simulation import batch_id, fold_of, good

pytestmark = pytest.mark.stack

PATHS = {"web_paths_5m": OUTPUTS["web_paths_5m"]}
BOTH = {name: OUTPUTS[name] for name in ("web_paths_5m", "web_traffic_1m")}


Run = Callable[..., list[tuple[str, int, int]]]


@pytest.fixture
def run(empty_url: str, clock: Clock) -> Run:
    """Runs one job with these outputs over these numbers; returns reconcile's lines."""

    def run_job(outputs: dict[str, WindowedOutput], *numbers: int) -> list[tuple[str, int, int]]:
        warehouse = open_warehouse(empty_url, clock)
        warehouse.prepare(list(outputs.values()))
        epoch = warehouse.take_epoch("events")
        fold = fold_of(good(*numbers), outputs=outputs)
        warehouse.commit(batch_id(0, query=f"query-{epoch}"), epoch, fold)
        warehouse.close()
        return [(o.name, o.records, o.expected) for o in reconcile(empty_url, clock).outputs]

    return run_job


def test_a_new_output_is_not_asked_for_what_came_before_it(run: Run) -> None:
    assert run(PATHS, 1, 2, 3) == [("web_paths_5m", 3, 3)]
    assert run(BOTH, 4, 5) == [("web_paths_5m", 5, 5), ("web_traffic_1m", 2, 2)]
    assert run(BOTH, 6) == [("web_paths_5m", 6, 6), ("web_traffic_1m", 3, 3)]


def test_an_output_that_pauses_is_asked_for_nothing_of_the_pause(run: Run) -> None:
    run(BOTH, 1, 2)
    assert run(PATHS, 3, 4, 5) == [("web_paths_5m", 5, 5)]
    assert run(BOTH, 6) == [("web_paths_5m", 6, 6), ("web_traffic_1m", 3, 3)]
