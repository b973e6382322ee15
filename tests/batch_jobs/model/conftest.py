from dataclasses import dataclass

import pytest
from pyspark.sql import SparkSession

from batch_jobs.manifest import Output
from batch_jobs.model.settings import ModelSettings
from batch_jobs.model.store import Model
from batch_jobs.model.training import train
from batch_jobs.storage import Storage
from tests.batch_jobs.model.book import write_book
from tests.doubles.clock import ManualClock

SETTINGS = ModelSettings(least_loans=20)


@dataclass(frozen=True)
class Book:
    storage: Storage
    originations: list[Output]
    performance: list[Output]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    storage = Storage(str(tmp_path_factory.mktemp("book")), {})
    return Book(storage, *write_book(storage))


@pytest.fixture(scope="module")
def model(book: Book, spark: SparkSession) -> Model:
    """Trained once for all tests of a module: a fit takes seconds."""
    made, _ = train(
        spark,
        book.storage,
        SETTINGS,
        originations=book.originations,
        performance=book.performance,
        clock=ManualClock(),
        tell=lambda _: None,
    )
    return made
