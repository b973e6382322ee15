"""KCL's MultiLangDaemon: its files in the state folder, and the command that starts it."""

import os
import shlex
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from headrace.errors import SettingsError
from stream_jobs.error_desk.settings import ErrorDeskSettings

SHUTDOWN_GRACE_SECONDS = 15
_PROPERTIES, _PROCESSOR = "desk.properties", "processor"
_LOGBACK = Path(__file__).with_name("logback.xml")
LOG = "daemon.log"  # in the state folder, as logback.xml says
_MAIN = "software.amazon.kinesis.multilang.MultiLangDaemon"


class Endpoints(NamedTuple):
    """Where Kinesis and DynamoDB are, when not where AWS has them."""

    kinesis: str | None
    dynamodb: str | None


def endpoints(environ: Mapping[str, str]) -> Endpoints:
    """As the environment tells any AWS SDK."""
    common = environ.get("AWS_ENDPOINT_URL")
    return Endpoints(
        environ.get("AWS_ENDPOINT_URL_KINESIS") or common, environ.get("AWS_ENDPOINT_URL_DYNAMODB") or common
    )


def properties(settings: ErrorDeskSettings, region: str, at: Endpoints) -> str:
    """The daemon's settings.

    On one machine leases are taken by each worker for itself, as in KCL 2: a daemon that was killed is
    followed within ten seconds, while the leader of a fleet keeps its lock for minutes.
    """
    given = {
        "executableName": f"./{_PROCESSOR}",
        "streamName": settings.stream,
        "applicationName": settings.application,
        "regionName": region,
        "AwsCredentialsProvider": "DefaultCredentialsProvider",
        "initialPositionInStream": "TRIM_HORIZON",
        "retrievalMode": "POLLING",
        "maxRecords": "5000",
        "idleTimeBetweenReadsInMillis": "500",
        "callProcessRecordsEvenForEmptyRecordList": "true",
        "failoverTimeMillis": str(round(settings.failover_seconds * 1000)),
        "shardSyncIntervalMillis": "1000",  # slept out after each look for shards, the first one too
        "shutdownGraceMillis": str(SHUTDOWN_GRACE_SECONDS * 1000),
        "metricsLevel": "NONE",
        "processingLanguage": f"python/{sys.version_info.major}.{sys.version_info.minor}",
    }
    if not settings.fleet:
        given["clientVersionConfig"] = "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X"
    if at.kinesis:
        given["kinesisEndpoint"] = at.kinesis
    if at.dynamodb:
        given["dynamoDBEndpoint"] = at.dynamodb
    return "".join(f"{name} = {value}\n" for name, value in given.items())


def write_files(settings: ErrorDeskSettings, stream: str, region: str, at: Endpoints) -> None:
    """Write what the daemon reads, and the program that it starts per shard; `stream` is the identity.

    Raises SettingsError when the state folder cannot be written.
    """
    folder = settings.folder
    command = [sys.executable, "-m", "stream_jobs.error_desk.processor", stream]
    # The daemon splits the program's name at blanks, so it stands alone; imports are found as here.
    program = f"#!/bin/sh\ncd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(command)}\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _PROPERTIES).write_text(properties(settings, region, at))
        (folder / _PROCESSOR).write_text(program)
        (folder / _PROCESSOR).chmod(0o755)
    except OSError as error:
        raise SettingsError(f"HEADRACE_STATE: {folder} cannot be written: {error}") from error


def command(settings: ErrorDeskSettings, java: str, jars: Path) -> list[str]:
    """Starts the daemon in the state folder; it dies with this process."""
    return [
        sys.executable,
        "-m",
        "stream_jobs.error_desk.leash",
        str(os.getpid()),
        str(settings.folder),
        java,
        f"-Xmx{settings.java_memory}",
        "-XX:TieredStopAtLevel=1",  # it starts in less time, and the warehouse is the slower part
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-cp",
        f"{jars}/*",
        _MAIN,
        "--properties-file",
        _PROPERTIES,
        "--log-configuration",
        str(_LOGBACK),
    ]


def find_jars() -> Path:
    """The folder of KCL's jars. Raises SettingsError when they are not installed."""
    package = find_spec("amazon_kclpy")
    for place in (package and package.submodule_search_locations) or ():
        if any((jars := Path(place) / "jars").glob("*.jar")):
            return jars
    raise SettingsError("amazon_kclpy is not installed with its jars: pip install 'headrace[kcl]'")
