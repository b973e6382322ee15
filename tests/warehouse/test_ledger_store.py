import pytest

from headrace.errors import SchemaMismatch
from headrace.warehouse.ledger import SourceLedger
from headrace.warehouse.ledger_store import LedgerStore, read_sources
from headrace.warehouse.opening import open_session
from headrace.warehouse.ranges import RangeSet
from headrace.warehouse.warehouse import Warehouse
from tests.warehouse.queries import Sql, ranges
from tests.warehouse.simulation import batch_id, fold_of, good

pytestmark = pytest.mark.stack


def test_thousands_of_sources_fit_one_batch(warehouse: Warehouse, sql: Sql, url: str) -> None:
    epoch = warehouse.take_epoch("events")
    names = [f"source-{n:04}" for n in range(2_500)]
    warehouse.commit(batch_id(0), epoch, fold_of([r for name in names for r in good(1, 2, source=name)]))
    warehouse.commit(batch_id(1), epoch, fold_of([r for name in names for r in good(2, 3, source=name)]))
    assert ranges(sql) == [(name, 1, 3) for name in names]
    assert sql("select sum(duplicates_dropped) from ledger_sources") == [(2_500,)]
    session = open_session(url)
    with session.cursor() as cursor:
        found = read_sources(cursor, [*names, "unknown"])
    session.close()
    assert found["unknown"] == SourceLedger()
    assert found[names[-1]] == SourceLedger(RangeSet.of((1, 3)))


def test_only_ranges_that_changed_are_written(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of(good(*range(1, 100, 2))))
    before: dict[int, str] = dict(sql("select first_number, ctid::text from ledger_ranges"))
    warehouse.commit(batch_id(1), epoch, fold_of(good(50)))
    after: dict[int, str] = dict(sql("select first_number, ctid::text from ledger_ranges"))
    assert before.keys() - after.keys() == {51}
    assert [n for n in after if after[n] != before[n]] == [49]


def test_a_batch_without_numbers_does_not_move_the_version(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of(good(1)))
    version = sql("select version from ledger_version")
    warehouse.commit(batch_id(1), epoch, fold_of([]))
    warehouse.commit(batch_id(2), epoch, fold_of(good(1)))
    assert sql("select version from ledger_version") == version


def test_what_was_read_is_asked_for_again_only_when_the_version_moved(
    warehouse: Warehouse, sql: Sql, url: str
) -> None:
    epoch = warehouse.take_epoch("events")
    warehouse.commit(batch_id(0), epoch, fold_of(good(1)))
    session = open_session(url)
    store = LedgerStore(session)
    one, nine = ({"s": SourceLedger(RangeSet.of((1, last)))} for last in (1, 9))
    assert store.read(["s"]) == (1, one)
    sql("update ledger_ranges set last_number = 9")
    assert store.read(["s"]) == store.read(["s"], 1) == (1, one)
    sql("update ledger_version set version = version + 1")
    assert store.read(["s"], 1) == (1, one)
    assert store.read(["s"], 2) == (2, nine)
    assert store.read(["s", "new"], 2) == (2, nine | {"new": SourceLedger()})
    sql("update ledger_version set version = version + 1")
    assert store.read(["s"]) == (3, nine)
    session.close()


def test_a_ledger_without_a_version_is_not_written(warehouse: Warehouse, sql: Sql) -> None:
    epoch = warehouse.take_epoch("events")
    sql("delete from ledger_version")
    with pytest.raises(SchemaMismatch, match="headrace migrate"):
        warehouse.commit(batch_id(0), epoch, fold_of(good(1)))
