"""Work of Python on Spark's cores, piece by piece; what it was told goes out as values, and no row does."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias, TypeVar

from pyspark.accumulators import Accumulator
from pyspark.sql import SparkSession

from headrace.errors import HaltError

_PAUSE = 0.2  # s between two looks at how far it is

A = TypeVar("A")
B = TypeVar("B")
Look: TypeAlias = Callable[[int], object]


def on_cluster(session: SparkSession, work: Callable[[A], B], items: Sequence[A], look: Look) -> list[B]:
    """What `work` makes of each item, in their order; `look` hears now and then how many are done.

    A HaltError of the work is raised here: trying it again, as Spark would, cannot help.
    """
    if not items:
        return []
    context = session.sparkContext
    done = context.accumulator(0)
    with _watched(done, look):
        results = context.parallelize(items, len(items)).map(partial(_safely, work, done)).collect()
    made: list[B] = []
    for result in results:
        if isinstance(result, HaltError):
            raise result
        made.append(result)
    return made


def _safely(work: Callable[[A], B], done: "Accumulator[int]", item: A) -> B | HaltError:
    try:
        result = work(item)
    except HaltError as error:
        return error
    done.add(1)
    return result


@contextmanager
def _watched(done: "Accumulator[int]", look: Look) -> Iterator[None]:
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(_PAUSE):
            look(done.value)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
        look(done.value)
