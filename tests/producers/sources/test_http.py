import gzip
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from headrace.errors import SettingsError
from headrace.ops.clock import SystemClock
from headrace.schemas.codec import RejectCode, Rejection, Stage, decode, reject_event
from tests.producers.sources.pushed import NDJSON, Answered, Push, ask, line, own

BATCH, EVENT = "application/cloudevents-batch+json", "application/cloudevents+json"


@pytest.fixture
def push(tmp_path: Path) -> Iterator[Push]:
    with Push(tmp_path, SystemClock()) as made:
        yield made


def test_202_says_how_many_records_are_on_disk(push: Push) -> None:
    answer = push.post(line("/1"), line("/2"), b"", b"  ", line("/3"))
    assert (answer.status, answer.json) == (202, {"accepted": 3})
    assert push.paths() == ["/1", "/2", "/3"]
    assert [event.sequence for event in push.events()] == [f"{n:016d}" for n in (1, 2, 3)]


def test_no_202_before_the_records_are_on_disk(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    push.post(line("/1"))
    life = push.main.spool.life()
    commit, reached, may_go = life.commit, threading.Event(), threading.Event()

    def slow() -> None:
        reached.set()
        may_go.wait(20)
        commit()

    monkeypatch.setattr(life, "commit", slow)
    answers: list[Answered] = []
    client = threading.Thread(target=lambda: answers.append(push.post(line("/2"))))
    client.start()
    assert reached.wait(20)
    client.join(0.2)
    assert (answers, push.paths()) == ([], ["/1"])
    may_go.set()
    client.join()
    assert ([answer.status for answer in answers], push.paths()) == ([202], ["/1", "/2"])


def test_no_records_are_nothing_to_take(push: Push) -> None:
    assert push.post(b"").json == {"accepted": 0}
    assert push.post(b"[]", Content_Type=BATCH).json == {"accepted": 0}
    assert push.events() == []


def test_a_batch_of_cloudevents_may_be_printed_prettily(push: Push) -> None:
    events = [json.loads(line("/a", type="web_access.v1", id="x", specversion="1.0")), json.loads(line("/b"))]
    body = json.dumps(events, indent=2).encode()
    assert push.post(body, Content_Type=f"{BATCH}; charset=UTF-8").status == 202
    assert push.paths() == ["/a", "/b"]


def test_one_cloudevent(push: Push) -> None:
    assert push.post(json.dumps(json.loads(line("/a")), indent=1).encode(), Content_Type=EVENT).status == 202
    assert push.paths() == ["/a"]


def test_one_cloudevent_whose_attributes_are_headers(push: Push) -> None:
    data = json.dumps({"client_address": None, "method": "GET", "path": "/a", "status": 200}).encode()
    attributes = {
        "ce_specversion": "1.0",
        "ce_type": "web_access.v1",
        "ce_time": "2026-11-21T12:00:00Z",
        "ce_source": "shop",
        "ce_id": "%22x%22",
    }
    assert push.post(data, Content_Type="application/json", **attributes).status == 202
    assert push.paths() == ["/a"]
    assert push.post(data, Content_Type="application/json").status == 415


def test_gzip_and_chunks(push: Push) -> None:
    packed = gzip.compress(line("/1") + b"\n") + gzip.compress(line("/2"))
    assert push.post(packed, Content_Encoding="gzip").status == 202
    chunks = iter([line("/3")[:10], line("/3")[10:]])
    assert ask(push.port, body=chunks, Transfer_Encoding="chunked").status == 202
    assert push.paths() == ["/1", "/2", "/3"]


def test_the_request_may_name_the_type(tmp_path: Path) -> None:
    with Push(tmp_path, SystemClock(), record_type=None) as push:
        assert push.post(line("/1"), path="/records?type=web_access.v1").status == 202
        assert push.post(line("/2", type="web_access.v1")).status == 202
        assert push.post(line("/3")).status == 422
        wrong = push.post(line("/4", type="web_access.v1"), path="/records?type=wiki_edit.v1")
        assert wrong.json["errors"][0]["path"] == "$.type"
        assert push.post(line("/5"), path="/records?type=reject.v1").status == 400
        assert push.post(line("/5"), path="/records?kind=x").status == 400
        assert push.paths() == ["/1", "/2"]


def test_a_bad_record_is_422_with_its_reason_and_nothing_is_taken(push: Push) -> None:
    bad = line("/2").replace(b"200", b'"x"').replace(b'"GET"', b"7")
    answer = push.post(line("/1"), bad, b"{", line("/4"))
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["title"] == "Unprocessable Entity"
    assert answer.json["rejected"] == 2
    assert [(e["index"], e["path"]) for e in answer.json["errors"]][:2] == [
        (1, "$.data.method"),
        (1, "$.data.status"),
    ]
    assert {e["index"] for e in answer.json["errors"]} == {1, 2}
    assert all(e["code"] and e["message"] for e in answer.json["errors"])
    assert "nothing of the request was taken" in answer.json["detail"]
    assert push.post(line("/5")).status == 202
    assert push.paths() == ["/5"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {"Content_Type": BATCH}),
        (b"{}", {"Content_Type": BATCH}),
        (b"[" * 3000, {"Content_Type": BATCH}),
        (b"no gzip", {"Content_Encoding": "gzip"}),
        (gzip.compress(line(), mtime=0)[:-4], {"Content_Encoding": "gzip"}),
        (line(), {"Idempotency_Key": '""'}),
        (line(), {"Idempotency_Key": "k" * 256}),
    ],
)
def test_a_malformed_request_is_400(push: Push, body: bytes, headers: dict[str, str]) -> None:
    answer = push.post(body, **headers)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert push.events() == []


def test_there_is_only_post_records(push: Push) -> None:
    assert ask(push.port, "GET", "/").status == 404
    assert ask(push.port, "POST", "/record", body=line()).status == 404
    wrong = ask(push.port, "GET", "/records")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    head = ask(push.port, "HEAD", "/records")
    assert (head.status, head.body) == (405, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": f"{NDJSON}; charset=latin1"},
        {"Content_Encoding": "br"},
    ],
)
def test_another_kind_of_body_is_415(push: Push, headers: dict[str, str]) -> None:
    assert push.post(line(), **headers).status == 415


def test_413_for_a_body_its_records_and_each_record(tmp_path: Path) -> None:
    push = Push(tmp_path, SystemClock())
    push.settings = type(push.settings)(port=0, body_bytes=10_000, body_records=20, record_bytes=1_000)
    long = line("/" + "x" * 1_000)
    with push:
        for body, headers in [
            (b"x" * 10_001, {}),
            (gzip.compress(b"\n" * 1_000_000), {"Content_Encoding": "gzip"}),
            (iter([b"x" * 6_000] * 2), {"Transfer_Encoding": "chunked"}),
            (b"\n".join([line()] * 21), {}),
            (line() + b"\n" + long, {}),
        ]:
            answer = ask(push.port, body=body, **headers)
            assert (answer.status, answer.json["status"]) == (413, 413)
        assert push.post(*[line()] * 20).status == 202
        assert len(push.events()) == 20


def test_a_record_that_fits_but_would_not_travel_is_422(push: Push) -> None:
    largest = push.settings.record_bytes
    short = line().replace(b'"data": {', b'"data": {%b')
    assert push.post(short.replace(b"%b", b" " * (largest - len(short)))).json["errors"] == [
        {
            "index": 0,
            "code": "too_large",
            "path": "$",
            "message": f"the record would have more than {largest} bytes",
        }
    ]
    assert push.post(short.replace(b"%b", b" " * (largest - len(short) - 1000))).status == 202
    assert push.paths() == ["/1"]


def test_own_source_and_sequence_pass_through(push: Push) -> None:
    answer = push.post(own(7, "/a", subject="s"), own(8, "/b"))
    assert (answer.status, answer.json) == (202, {"accepted": 2})
    assert [(e.source, e.sequence, e.subject, e.data.path) for e in push.passed()] == [
        ("till-4", f"{7:016d}", "s", "/a"),
        ("till-4", f"{8:016d}", None, "/b"),
    ]
    assert push.events() == []


def test_own_numbers_and_ours_do_not_go_in_one_request(push: Push) -> None:
    answer = push.post(line(), own(7))
    assert answer.status == 422
    assert "record 1 brings its own source and sequence, record 0 does not" in answer.json["detail"]
    assert push.events() == push.passed() == []


@pytest.mark.parametrize(
    "event",
    [
        own(7, id=""),
        own(7, sequence="7"),
        own(7, sequence=7),
        own(7, specversion="2"),
        own(7, source="a\u0000b"),
        own(7, type="producer_status.v1"),
        own(7, type="reject.v1"),
    ],
)
def test_what_passes_through_has_the_codecs_verdict(push: Push, event: bytes) -> None:
    assert push.post(event).status == 422
    assert push.passed() == []


def test_a_reject_with_its_own_number_passes_as_an_export_of_a_spool_holds_it(push: Push) -> None:
    rejection = Rejection(code=RejectCode.UNPARSABLE_LINE, errors=(), raw=b"no line")
    time = datetime(2026, 1, 2, tzinfo=UTC)
    event = reject_event(rejection, stage=Stage.PRODUCER, source="till-4", sequence=7, time=time)
    assert push.post(event).status == 202
    assert push.passed() == [decode(event)]


def test_what_was_taken_is_counted(push: Push) -> None:
    def counted() -> list[float]:
        samples = [
            ("headrace_http_records_total", {"input": ""}),
            ("headrace_http_durable_seconds_count", {"input": ""}),
            ("headrace_http_requests_total", {"input": "", "status": "202"}),
            ("headrace_http_requests_total", {"input": "", "status": "422"}),
        ]
        return [REGISTRY.get_sample_value(name, labels) or 0 for name, labels in samples]

    before = counted()
    push.post(line(), line())
    push.post(line(), b"{")
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [2, 1, 1, 1]


def test_a_port_that_is_taken_is_a_wrong_setting(push: Push, tmp_path: Path) -> None:
    second = Push(tmp_path / "second", SystemClock())
    second.settings = type(push.settings)(port=push.port)
    with pytest.raises(SettingsError, match=f"127.0.0.1:{push.port} cannot be listened on"):
        second.__enter__()
    second_spool = second._spool(tmp_path / "third")
    second_spool.close()
