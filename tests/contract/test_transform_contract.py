"""The transform function behind a delivery: its code in this process, and its zip as Lambda runs it.

Each gets the very same events, and must give the same answers, objects and rejects.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from headrace.kinesis.aggregation import UserRecord, aggregate
from headrace.kinesis.client import connect
from headrace.ops.clock import SystemClock
from headrace.schemas.codec import decode
from headrace.schemas.reject_codes import Stage
from headrace.schemas.verdict import Rejection
from infra.bundle import HANDLER, build
from infra.local.delivery.checkpoint import Checkpoint
from infra.local.delivery.reader import StreamReader
from infra.local.delivery.records import SourceRecord
from lambdas.transform import handler
from lambdas.transform.settings import TransformSettings
from tests.doubles.clock import START, ManualClock
from tests.infra.delivery.scripted import Scripted, record

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("transform-contract")]

EXAMPLES = Path(__file__).parents[2] / "headrace/schemas/examples"
SECONDS = 60
REGION = "us-east-1"
Function = Callable[[Any], Any]
"""Takes an event, gives the answer, both decoded."""


class Context:
    """What is asked of Lambda's."""

    def get_remaining_time_in_millis(self) -> int:
        return SECONDS * 1000


@dataclass(frozen=True)
class Run:
    """What one function made of some records."""

    answers: list[Any]
    objects: dict[str, bytes]
    failed: dict[bytes, str]
    rejects: set[bytes]


class Functions:
    """The function in both forms, each with a stream for its rejects."""

    def __init__(self, url: str) -> None:
        self._url = url
        session = boto3.session.Session("test", "test", region_name=REGION)
        self.kinesis = session.client("kinesis", endpoint_url=url)
        config = Config(read_timeout=SECONDS, retries={"total_max_attempts": 1})
        self.lambdas = session.client("lambda", endpoint_url=url, config=config)

    def deploy(self, bundle: Path) -> None:
        for stream in ("rejects-here", "rejects-deployed"):
            self.kinesis.create_stream(StreamName=stream, ShardCount=2)
        self.lambdas.create_function(
            FunctionName="transform-under-contract",
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/any",
            Handler=HANDLER,
            Code={"ZipFile": bundle.read_bytes()},
            Timeout=SECONDS,
            MemorySize=512,
            Environment={
                "Variables": {"AWS_ENDPOINT_URL": self._url, "HEADRACE_ERROR_STREAM": "rejects-deployed"}
            },
        )

    def here(self, event: Any) -> Any:
        return json.loads(json.dumps(handler.handle(event, Context())))

    def deployed(self, event: Any) -> Any:
        answer = self.lambdas.invoke(
            FunctionName="transform-under-contract", Payload=json.dumps(event).encode()
        )
        payload = answer["Payload"].read()
        assert "FunctionError" not in answer, payload
        return json.loads(payload)

    def rejects(self, stream: str, since: dict[str, str]) -> set[bytes]:
        """What is on a stream of rejects beyond these positions, which are moved on."""
        clock = SystemClock()
        client = connect(clock, endpoint_url=self._url, region=REGION)
        reader = StreamReader(client, stream, Checkpoint(), clock)
        reader.positions = since
        found: set[bytes] = set()
        while given := reader.read():
            found |= {part.data for part in given}
            since.update((part.shard, part.sequence) for part in given)
        return found


@pytest.fixture(scope="module")
def functions(ministack: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_ENDPOINT_URL", ministack)
        patch.setattr(handler, "_SETTINGS", TransformSettings(error_stream="rejects-here"))
        handler._error_stream.cache_clear()
        functions = Functions(ministack)
        functions.deploy(build(tmp_path_factory.mktemp("bundle")))
        yield functions
    handler._error_stream.cache_clear()


@pytest.fixture
def both(functions: Functions) -> Callable[[Sequence[SourceRecord]], Run]:
    """Delivers records through each function, holds one against the other, and gives what both made."""
    positions: dict[str, dict[str, str]] = {}
    for stream in ("rejects-here", "rejects-deployed"):
        functions.rejects(stream, positions.setdefault(stream, {}))

    def run(function: Function, stream: str, given: Sequence[SourceRecord]) -> Run:
        answers: list[Any] = []

        def call(event: Any) -> Any:
            answers.append(function(event))
            return answers[-1]

        scripted = Scripted(ManualClock(), call)
        scripted.deliver(given)
        return Run(
            answers,
            {key: it.body for key, it in scripted.objects.items()},
            scripted.failed(),
            functions.rejects(stream, positions[stream]),
        )

    def compare(given: Sequence[SourceRecord]) -> Run:
        here = run(functions.here, "rejects-here", given)
        deployed = run(functions.deployed, "rejects-deployed", given)
        assert here.answers == deployed.answers
        assert here == deployed
        return here

    return compare


def examples(kind: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(EXAMPLES.glob(f"*/{kind}/*.json"))]


def records(contents: Sequence[bytes]) -> list[SourceRecord]:
    return [record(content, number) for number, content in enumerate(contents)]


def results(run: Run) -> list[str]:
    return [answer["result"] for event in run.answers for answer in event["records"]]


Both = Callable[[Sequence[SourceRecord]], Run]


def test_good_records_of_every_type_are_delivered(both: Both) -> None:
    rejects = {path.read_bytes() for path in EXAMPLES.glob("reject.v1/good/*.json")}
    run = both(records([content for content in examples("good") if content not in rejects]))
    assert set(results(run)) == {"Ok"}
    assert (run.failed, run.rejects) == ({}, set())


def test_bad_records_of_every_type_are_dropped_once_their_rejects_are_on_the_stream(both: Both) -> None:
    given = examples("bad")
    run = both(records(given))
    assert set(results(run)) == {"Dropped"}
    raws = {base64.b64decode(json.loads(reject)["data"]["raw"]) for reject in run.rejects}
    assert (raws, run.objects) == (set(given), {})


def test_a_producers_reject_is_forwarded_as_its_very_bytes(both: Both) -> None:
    given = [path.read_bytes() for path in sorted(EXAMPLES.glob("reject.v1/good/*.json"))]
    run = both(records(given))
    assert (set(results(run)), run.rejects) == ({"Dropped"}, set(given))


def test_mixed_records_each_go_their_way(both: Both) -> None:
    good, bad = examples("good"), examples("bad")
    mixed = [content for pair in zip(good, bad, strict=False) for content in pair]
    run = both(records(mixed))
    assert {"Ok", "Dropped"} == set(results(run))
    assert len(results(run)) == len(mixed)


def test_an_aggregate_that_was_not_taken_apart_is_delivered_whole_or_kept_whole(both: Both) -> None:
    web = sorted(EXAMPLES.glob("web_access.v1/good/*.json"))
    alike = aggregate(UserRecord("k", None, path.read_bytes()) for path in web[:5])
    wiki = next(EXAMPLES.glob("wiki_edit.v1/good/*.json"))
    of_two_types = aggregate(UserRecord("k", None, path.read_bytes()) for path in (web[0], wiki))
    damaged = alike[:-1] + bytes([alike[-1] ^ 1])
    run = both(records([alike, of_two_types, damaged]))
    assert results(run) == ["Ok", "ProcessingFailed", "Dropped"]
    assert run.failed == {of_two_types: "Lambda.ProcessingFailedStatus"}


def test_a_bad_record_too_long_for_its_reject_is_kept_by_firehose(both: Both) -> None:
    oversized = b"not json " * 80_000
    run = both(records([oversized, b"not json"]))
    assert results(run) == ["ProcessingFailed", "Dropped"]
    assert run.failed == {oversized: "Lambda.ProcessingFailedStatus"}
    assert {json.loads(reject)["data"]["raw_length"] for reject in run.rejects} == {len(oversized), 8}


def test_a_batch_of_a_megabyte_of_short_records_fits_into_the_answer(both: Both) -> None:
    short = (EXAMPLES / "web_access.v1/good/only-required-fields.json").read_bytes()
    run = both(records([short] * ((1 << 20) // len(short))))
    assert len(run.answers) == 1
    assert set(results(run)) == {"Ok"}


def test_no_records_have_no_answers(functions: Functions) -> None:
    for function in (functions.here, functions.deployed):
        assert function({"invocationId": "i", "region": REGION, "records": []}) == {"records": []}


def test_what_does_not_fit_into_the_answer_is_kept_by_firehose_record_by_record(functions: Functions) -> None:
    content = (EXAMPLES / "web_access.v1/good/path-of-8000-characters.json").read_bytes()
    entry = {"data": base64.b64encode(content).decode(), "approximateArrivalTimestamp": 1_795_262_400_123}
    event = {"records": [entry | {"recordId": f"{number:062d}"} for number in range(620)]}
    here, deployed = functions.here(event), functions.deployed(event)
    assert here == deployed
    assert len(json.dumps(here)) <= 6_291_556
    assert {answer["result"] for answer in here["records"]} == {"Ok", "ProcessingFailed"}


def test_a_reject_carries_its_place_on_the_stream(both: Both) -> None:
    run = both([record(b"not json", 41, shard="shardId-000000000007")])
    (reject,) = run.rejects
    verdict = decode(b"not json")
    assert isinstance(verdict, Rejection)
    told = json.loads(reject)
    assert (told["data"]["shard"], told["data"]["shard_sequence"]) == ("shardId-000000000007", f"{41:056d}")
    assert told["data"]["stage"] == Stage.TRANSFORM
    assert told["time"].startswith(START.strftime("%Y-%m-%dT%H:%M:%S"))
