"""The books read over the Data API: the same report, of one state, and what cannot be done there."""

from collections.abc import Iterator

import pytest
import sqlglot
from sqlglot import exp

from headrace.errors import SettingsError
from headrace.warehouse.batch import Status
from headrace.warehouse.reconcile import ArchiveCheck, reconcile, write_off
from headrace.warehouse.warehouse import Warehouse
from tests.doubles.clock import ManualClock
from tests.doubles.data_api import DataApiDouble
from tests.warehouse.queries import Sql
from tests.warehouse.simulation import START, bad, batch_id, fold_of, good, shard

pytestmark = pytest.mark.stack

ADDRESS = "redshift-data://workgroup/database"


@pytest.fixture
def double(url: str, warehouse: Warehouse) -> Iterator[DataApiDouble]:
    fold = fold_of(
        (*good(1, 2, 3, 3), *bad(4)),
        statuses=(Status("it's \\ odd", 6, 5, True, START), Status("s", 6, 5, True, START)),
        progress=[shard(frontier=START)],
    )
    warehouse.commit(batch_id(0), warehouse.take_epoch("events"), fold)
    with DataApiDouble(url, page_rows=2) as started:
        yield started


def test_the_report_is_the_one_that_a_connection_gives(
    double: DataApiDouble, url: str, clock: ManualClock
) -> None:
    over_api = reconcile(ADDRESS, clock, environ=double.environ())
    assert over_api == reconcile(url, clock)
    assert {line.source: line.counted for line in over_api.sources} == {"it's \\ odd": 0, "s": 3}
    assert {type(sqlglot.parse_one(text, read="redshift")) for text in double.texts} <= {
        exp.Select,
        exp.Union,
    }
    assert [len(request["Sqls"]) for name, request in double.requests if name == "BatchExecuteStatement"] == [
        6
    ]


def test_an_output_that_appears_meanwhile_is_in_the_report(
    double: DataApiDouble, clock: ManualClock, sql: Sql
) -> None:
    sql("UPDATE ledger_outputs SET retired = TRUE WHERE output = 'web_paths_5m'")
    batches: list[list[str]] = []

    def bring_back(texts: list[str]) -> None:
        if len(texts) > 1 and not batches:
            sql("UPDATE ledger_outputs SET retired = FALSE WHERE output = 'web_paths_5m'")
        if len(texts) > 1:
            batches.append(texts)

    double.before_run = bring_back
    report = reconcile(ADDRESS, clock, environ=double.environ())
    assert {output.name: output.records for output in report.outputs}["web_paths_5m"] == 3
    assert len(batches) == 2


def test_without_any_output_there_is_a_report(double: DataApiDouble, clock: ManualClock, sql: Sql) -> None:
    sql("UPDATE ledger_outputs SET retired = TRUE")
    assert reconcile(ADDRESS, clock, environ=double.environ()).outputs == []


def test_what_needs_the_writers_lock_is_refused_with_the_remedy(
    double: DataApiDouble, clock: ManualClock
) -> None:
    class Nothing:
        def objects(self) -> Iterator[tuple[str, str]]:
            raise AssertionError

        def numbers(self, key: str) -> dict[str, list[int]]:
            raise AssertionError(key)

    with pytest.raises(SettingsError, match=r"--archive.*redshift://"):
        reconcile(ADDRESS, clock, environ=double.environ(), check=ArchiveCheck(Nothing(), 1))
    with pytest.raises(SettingsError, match=r"--write-off.*redshift://"):
        write_off(ADDRESS, clock, "s", (5, 6), reason="lost")
    assert double.requests == []
