"""The services under contract, each asked by our client and by boto3's core.

They are our double, ministack, and AWS itself when HEADRACE_AWS=1.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from headrace.kinesis.client import Sdk, connect
from headrace.ops.clock import SystemClock, new_ulid
from infra.local import emulator
from infra.local.state import State
from tests.contract.service import Service
from tests.doubles.kinesis import KinesisDouble

REGION = "eu-west-1"

# What a service, or a client, does not do, and so cannot be held to. A test that needs it must fail there:
# once it passes, the line goes.
LACKING = {
    "ministack": {
        "bad iterators": "calls every bad iterator an expired one",
        "empty keys": "takes an empty partition key",
        "large records": "knows no UpdateMaxRecordSize",
        "large requests": "refuses requests above 5 MiB; AWS takes 10 MiB",
        "on-demand": "starts an on-demand stream with 1 shard; AWS with 4",
        "resharding": "deletes the parent shard with its records",
        "throttling": "knows no limit per shard",
    },
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(capability): expected to fail on a service that lacks it")


SERVICES = [
    "double",
    pytest.param("ministack", marks=pytest.mark.stack),
    *(["aws"] if os.environ.get("HEADRACE_AWS") == "1" else []),
]


@pytest.fixture(scope="session")
def double() -> Iterator[str]:
    with KinesisDouble() as kinesis:
        kinesis.api.throttle_writes = kinesis.api.throttle_reads = True
        yield kinesis.url


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    state = State(Path(tmp_path_factory.mktemp("ministack")))
    background = emulator.start(state, os.environ, SystemClock(), preferred=0)
    yield emulator.endpoint(background)
    emulator.stop(state, SystemClock())


@pytest.fixture(params=["headrace", "boto3"])
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """Who carries the calls."""
    name: Sdk = request.param
    return name


@pytest.fixture(scope="session")
def services() -> Iterator[dict[tuple[str, Sdk], Service]]:
    """Those that a test has asked before, with their connections."""
    services: dict[tuple[str, Sdk], Service] = {}
    yield services
    for service in services.values():
        service.client.close()


@pytest.fixture(params=SERVICES)
def service(
    request: pytest.FixtureRequest,
    sdk: Sdk,
    services: dict[tuple[str, Sdk], Service],
    monkeypatch: pytest.MonkeyPatch,
) -> Service:
    """Each service in turn; a test marked `needs` a capability that one lacks must fail on that one."""
    name: str = request.param
    url = None
    if name != "aws":
        url = request.getfixturevalue(name)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for mark in request.node.iter_markers("needs"):
        for lacking in (name, sdk):
            if reason := LACKING.get(lacking, {}).get(mark.args[0]):
                request.applymarker(pytest.mark.xfail(reason=f"{lacking} {reason}", strict=True))
    if (name, sdk) not in services:
        client = connect(SystemClock(), endpoint_url=url, region=REGION, sdk=sdk)
        services[name, sdk] = Service(
            name, client, boto3.client("kinesis", region_name=REGION, endpoint_url=url)
        )
    return services[name, sdk]


@pytest.fixture
def stream(service: Service) -> Iterator[str]:
    """A new stream of four shards."""
    name = f"contract-{new_ulid(SystemClock()).lower()}"
    service.client.create_stream(name, shards=4)
    yield name
    service.client.delete_stream(name)
