from collections import Counter
from datetime import timedelta

import pytest

from headrace.schemas.sketches import bucket_of, distinct_estimate, quantile, register_of
from headrace.warehouse.warehouse import Warehouse
from tests.warehouse.queries import EACH_ENGINE, Sql
from tests.warehouse.simulation import START, Rec, batch_id, fold_of

pytestmark = pytest.mark.stack
ENGINES = EACH_ENGINE


def test_quantiles_are_those_of_the_sketch_however_the_records_fall(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    records = [
        Rec("s", n, at=START + timedelta(seconds=n)).with_data(bytes=n * n % 977 if n % 5 else 0)
        for n in range(1, 401)
    ]
    for number in range(8):
        warehouse.commit(batch_id(number), epoch, fold_of(records[number::8]))
    found = sql("select window_start, bytes_p50, bytes_p95 from web_traffic_1m")
    assert len(found) == 7
    for start, p50, p95 in found:
        parts = Counter(
            bucket_of(r.data["bytes"]) for r in records if start <= r.at < start + timedelta(minutes=1)
        )
        assert p50 == pytest.approx(quantile(parts, 0.5), rel=1e-9)
        assert p95 == pytest.approx(quantile(parts, 0.95), rel=1e-9)


@pytest.mark.parametrize("clients", [1, 3, 400, 9_000])
def test_distinct_counts_are_those_of_the_sketch(warehouse: Warehouse, sql: Sql, clients: int) -> None:
    epoch = warehouse.take_epoch("events")
    records = [Rec("s", n).with_data(client_address=f"c{n % clients}") for n in range(1, clients + 100)]
    warehouse.commit(batch_id(0), epoch, fold_of(records[::2]))
    warehouse.commit(batch_id(1), epoch, fold_of(records[1::2]))
    ranks: dict[int, int] = {}
    for register, rank in (register_of(f"c{n}") for n in range(clients)):
        ranks[register] = max(ranks.get(register, 0), rank)
    [(visitors,)] = sql("select visitors from web_visitors_15m")
    assert visitors == distinct_estimate(ranks.values())
    assert visitors == pytest.approx(clients, rel=0.05)


def test_a_window_of_nulls_has_no_quantile_and_no_distinct_value(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of([Rec("s", 1).with_data(bytes=None, client_address=None)]))
    assert sql("select bytes, bytes_p50 from web_traffic_1m") == [(0, None)]
    assert sql("select visitors from web_visitors_15m") == [(0,)]


def test_full_registers_are_estimated(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of([Rec("s", 1)]))
    sql("delete from web_visitors_15m__parts")
    sql(
        "insert into web_visitors_15m__parts "
        "select %s, 'client_address', i, 9 from generate_series(0, 4095) i",
        START,
    )
    warehouse.commit(batch_id(1), epoch, fold_of([Rec("s", 2)]))
    assert sql("select visitors from web_visitors_15m")[0][0] == distinct_estimate([9] * 4096)
