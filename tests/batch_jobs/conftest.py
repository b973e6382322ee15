import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from batch_jobs.lock import metastore_lock
from batch_jobs.session import spark_session
from batch_jobs.settings import BatchSettings


@pytest.fixture(scope="session")
def batch_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of this worker's metastore, which stays open: making one takes Derby seconds."""
    state = tmp_path_factory.mktemp("batch state")
    with metastore_lock(state / "metastore", "pytest"):
        yield state


@pytest.fixture(scope="module")
def spark(batch_state: Path) -> Iterator[SparkSession]:
    """Spark with Hive's catalog; stopped with the module, because a process has one Spark at a time.

    Its tests carry the marks in `tests.batch_jobs.marks.SPARK`.
    """
    if (other := SparkSession.getActiveSession()) is not None:  # the stream job's tests leave theirs open
        other.stop()
    settings = BatchSettings(state=str(batch_state), spark_master="local[2]", spark_memory="1g")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(
                name, "test"
            )  # the Java stays, and starts the stream job's workers in its environment
        session = spark_session(settings, app="tests")
    session.sql("DROP DATABASE IF EXISTS headrace CASCADE")  # of another module; files stay
    yield session
    session.stop()
    gc.collect()  # of the sockets that py4j leaves open, while their warnings are ignored
