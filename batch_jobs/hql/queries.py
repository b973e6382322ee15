"""The analysts' Hive queries: a file each, opened by a comment that says what it answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from batch_jobs.hive import DATABASE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Query(NamedTuple):
    """A query by its name, the question it answers, and its text."""

    name: str
    question: str
    text: str


def queries() -> dict[str, Query]:
    """Every query that comes with the product, by name."""
    return {path.stem: read(path) for path in sorted(Path(__file__).parent.glob("*.hql"))}


def read(path: Path) -> Query:
    """The query in a file; the first line of its comment is the question."""
    text = path.read_text()
    first = text.partition("\n")[0]
    return Query(path.stem, first.removeprefix("--").strip() if first.startswith("--") else "", text)


def run(session: "SparkSession", text: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """The columns and the rows of one statement, over the catalog's tables by their plain names.

    Raises pyspark's PySparkException, also while the rows are read.
    """
    session.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    session.catalog.setCurrentDatabase(DATABASE)
    frame = session.sql(text)
    return frame.columns, frame.toLocalIterator()
