from tests.warehouse.simulation import Rec, batch_id, fold_of, shard


def test_a_batch_appears_in_every_table(warehouse, sql):
    epoch = warehouse.take_epoch("events")
    done = warehouse.commit(
        batch_id(0), epoch, fold_of([Rec("s", n) for n in range(1, 11)], progress=[shard()])
    )
    assert (done.already, done.counted, done.dropped) == (False, 10, 0)
    assert sql("select requests, bytes, records, late_records from web_traffic_1m") == [(10, 5120, 10, 0)]
    assert sql("select requests, errors, records from web_paths_5m") == [(10, 0, 10)]
    assert sql("select visitors, requests, bot_requests from web_visitors_15m") == [(1, 10, 10)]
    assert sql("select source, fate, first_number, last_number from ledger_ranges") == [
        ("s", "counted", 1, 10)
    ]
    assert warehouse.progress("events") == [shard()]
