"""Spark for a batch command: the Java it runs on, the lock on the metastore, and its end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from batch_jobs.settings import BatchSettings
from cli.place import Place
from headrace.ops.settings import load

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_SHARED = "headrace.spark"


@contextmanager
def share(context: click.Context, session: "SparkSession") -> Iterator[None]:
    """Let the commands that `context` invokes run in this session, and leave it running."""
    context.meta[_SHARED] = session
    try:
        yield
    finally:
        del context.meta[_SHARED]


@contextmanager
def spark(place: Place, what: str) -> Iterator["SparkSession"]:
    """A session for the command `what`, stopped at the end.

    Raises LocalStackFailed without a fitting Java, BatchBusy, StorageUnusable and SettingsError.
    """
    if (session := _shared()) is not None:
        yield session
        return
    from batch_jobs.lock import metastore_lock  # noqa: PLC0415  the help should not wait for them
    from batch_jobs.session import is_local, spark_session  # noqa: PLC0415
    from infra.local import java  # noqa: PLC0415

    settings = load(BatchSettings, place.environ)
    local = is_local(settings)
    if local:
        # Spark's launcher reads the process's own environment.
        os.environ["JAVA_HOME"] = str(java.find(place.environ).home)  # noqa: TID251  an entry point
    folder = Path(settings.metastore_folder)
    with metastore_lock(folder, f"headrace batch {what}") if local else nullcontext():
        with Console(stderr=True).status("starting Spark"):  # seen on a terminal alone
            session = spark_session(settings, app=what)
        try:
            yield session
        finally:
            session.stop()


def _shared() -> "SparkSession | None":
    context = click.get_current_context(silent=True)
    found: SparkSession | None = context.meta.get(_SHARED) if context else None
    return found
