from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batch_jobs.load_mysql.address import Address
from batch_jobs.load_mysql.loader import Loader
from batch_jobs.manifest import Output
from batch_jobs.storage import Storage
from headrace.schemas.tables import INT, Column, Table, text
from tests.doubles.clock import ManualClock

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mysql")]

TABLE = Table("book", (Column("name", text(20)), Column("n", INT, nullable=True), Column("vintage", text(6))))
KEY = ("name",)


def rows(vintage: str, *names: str, n: int | None = 1) -> list[dict[str, Any]]:
    return [{"name": name, "n": n, "vintage": vintage} for name in names]


@pytest.fixture
def loader(place: Address, storage: Storage, clock: ManualClock) -> Iterator[Loader]:
    loader = Loader(place, storage, clock)
    yield loader
    loader.close()


def test_a_partition_is_loaded_once(
    loader: Loader, partition: Callable[..., Output], sql: Callable[..., Any]
) -> None:
    output = partition(TABLE, "2005Q1", rows("2005Q1", "a", "b"), rows("2005Q1", "c", n=None))
    assert not loader.load(TABLE, KEY, output).already
    assert loader.load(TABLE, KEY, output).already
    assert sql("SELECT name, n, vintage FROM book ORDER BY name") == (
        ("a", 1, "2005Q1"),
        ("b", 1, "2005Q1"),
        ("c", None, "2005Q1"),
    )
    assert sql("SHOW TABLES") == (("batch_load_chunks",), ("batch_loads",), ("book",))
    assert sql("SELECT COUNT(*) FROM batch_load_chunks") == ((0,),)
