import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace.errors import SpoolUnusable
from producers.http.idempotency import Requests, fingerprint_of, name_of, places
from producers.spool import segment as segments
from producers.spool.entry import length_at
from tests.doubles.clock import ManualClock
from tests.producers.sources.pushed import Answered, Push, connect, line, own

DAY = 24 * 3600.0
KEY = {"Idempotency_Key": '"6f1c2b"'}


@pytest.fixture
def push(tmp_path: Path, clock: ManualClock) -> Iterator[Push]:
    with Push(tmp_path, clock) as made:
        yield made


def test_a_request_that_comes_again_is_answered_alike_and_taken_once(push: Push) -> None:
    first = push.post(line("/1"), line("/2"), **KEY)
    again = push.post(line("/1"), line("/2"), **KEY)
    assert (first.status, first.json) == (again.status, again.json) == (202, {"accepted": 2})
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert push.paths() == ["/1", "/2"]


def test_a_key_needs_no_quotes(push: Push) -> None:
    push.post(line(), Idempotency_Key="6f1c2b")
    assert "idempotent-replayed" in push.post(line(), **KEY).headers


def test_a_key_with_another_content_is_422(push: Push) -> None:
    push.post(line("/1"), **KEY)
    answer = push.post(line("/2"), **KEY)
    assert (answer.status, "Idempotency-Key came with another request" in answer.json["detail"]) == (
        422,
        True,
    )
    assert push.post(line("/1"), path="/records?type=web_access.v1", **KEY).status == 422
    assert push.paths() == ["/1"]


def test_a_request_that_was_refused_does_not_take_its_key(push: Push) -> None:
    assert push.post(b"{", **KEY).status == 422
    assert push.post(line("/1"), **KEY).status == 202


def test_without_a_key_each_request_counts(push: Push) -> None:
    push.post(line("/1"))
    push.post(line("/1"))
    assert push.paths() == ["/1", "/1"]


def test_keys_are_known_after_a_restart_and_in_the_next_life(tmp_path: Path, clock: ManualClock) -> None:
    push = Push(tmp_path, clock)
    for life in range(3):
        with push:
            again = push.post(line("/1"), **KEY)
            assert ("idempotent-replayed" in again.headers) == (life > 0)
            push.post(line(f"/life/{life}"))
            push.main.spool.lives[-1].close("test")
    assert push.paths() == ["/1", "/life/0", "/life/1", "/life/2"]


def test_a_key_is_forgotten_after_a_day(push: Push, clock: ManualClock) -> None:
    push.post(line("/1"), **KEY)
    clock.advance(DAY - 1)
    assert "idempotent-replayed" in push.post(line("/1"), **KEY).headers
    clock.advance(2)
    assert "idempotent-replayed" not in push.post(line("/1"), **KEY).headers


def test_many_keys_leave_the_spools_positions_and_stay_known(tmp_path: Path, clock: ManualClock) -> None:
    push = Push(tmp_path, clock)
    with push:
        with ThreadPoolExecutor(16) as clients:
            keys = map(str, range(600))
            list(clients.map(lambda key: push.post(line(f"/{key}"), Idempotency_Key=key), keys))
        assert len(push.main.spool.positions) < 512
    with push:
        for number in (0, 511, 512, 599):
            assert "idempotent-replayed" in push.post(line(f"/{number}"), Idempotency_Key=str(number)).headers
        push.post(line("/last"))
        assert len(push.main.spool.positions) == 0
    assert len(push.paths()) == 601


def test_the_same_request_twice_at_a_time_is_taken_once(push: Push) -> None:
    push.main.hold()
    answers: list[Answered] = []
    threads = [
        threading.Thread(target=lambda: answers.append(push.post(line("/1"), **KEY))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    push.main.let_go()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [202] * 3
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 2
    assert push.paths() == ["/1"]


def test_a_lost_answer_costs_nothing(push: Push) -> None:
    """The client closes its connection before the answer, and asks again."""
    body = line("/1")
    push.main.hold()
    with connect(push.port) as connection:
        connection.sendall(
            b"POST /records HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
            b'Idempotency-Key: "6f1c2b"\r\nContent-Length: %d\r\n\r\n%b' % (len(body), body)
        )
    push.main.let_go()
    assert push.post(body, **KEY).status == 202
    assert push.paths() == ["/1"]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_a_request_cut_short_by_a_crash_is_completed_when_it_comes_again(
    tmp_path: Path, clock: ManualClock, kept: int
) -> None:
    push = Push(tmp_path, clock)
    lines = [line(f"/{n}") for n in range(4)]
    with push:
        push.post(line("/before"))
        assert push.post(*lines, **KEY).status == 202
    _cut(tmp_path, entries=kept + 1)
    assert push.paths() == ["/before", *[f"/{n}" for n in range(kept)]]
    with push:
        assert push.post(line("/x"), **KEY).status == 422
        assert push.post(line("/between")).status == 202
        answer = push.post(*lines, **KEY)
        assert (answer.status, answer.json, "idempotent-replayed" in answer.headers) == (
            202,
            {"accepted": 4},
            False,
        )
        assert "idempotent-replayed" in push.post(*lines, **KEY).headers
    assert sorted(push.paths()) == ["/0", "/1", "/2", "/3", "/before", "/between"]


def test_a_request_whose_records_pass_through_needs_no_key(push: Push) -> None:
    for _ in range(2):
        answer = push.post(own(7), **KEY)
        assert (answer.status, "idempotent-replayed" in answer.headers) == (202, False)
    assert [event.sequence for event in push.passed()] == [f"{7:016d}"] * 2  # the ledger counts one


def test_known_requests_are_found_wherever_they_are(tmp_path: Path, clock: ManualClock) -> None:
    def last_place(fingerprint: str) -> bytes:
        return places(3, fingerprint, clock.now(), skip=0)[-1]

    requests = Requests(tmp_path / "keys.db", {"/var/log": "7"}, clock, DAY)
    names = [name_of(str(number)) for number in range(600)]
    obsolete = requests.committed((name, last_place(fingerprint_of(name))) for name in names)
    assert sorted(obsolete) == sorted(names)
    assert [requests.find(name) for name in names[:2]] == [
        (3, 3, fingerprint_of(name), int(clock.now().timestamp())) for name in names[:2]
    ]
    requests.close()
    half = {names[0]: f"1/3 f {clock.now().timestamp():.0f}"}
    requests = Requests(tmp_path / "other.db", half, clock, DAY)
    assert requests.committed([]) == []
    found = requests.find(names[0])
    assert found is not None
    assert (found.taken, found.is_complete) == (1, False)
    requests.close()
    clock.advance(DAY + 1)
    requests = Requests(tmp_path / "other.db", half, clock, DAY)
    assert (requests.find(names[0]), requests.committed([])) == (None, [names[0]])
    requests.close()


def test_a_damaged_database_says_what_to_do(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "keys.db").write_bytes(b"no database" * 1000)
    with pytest.raises(SpoolUnusable, match=r"keys.db.*move the file away"):
        Requests(tmp_path / "keys.db", {}, clock, DAY)


def _cut(directory: Path, *, entries: int) -> None:
    """Leave so many entries, as a machine that died while the spool was written; the mark is older too."""
    (life,) = [path for path in (directory / "spool").iterdir() if len(path.name) == 26]
    ((_, path),) = segments.paths(life)
    header = segments.read_header(path)
    assert header is not None
    block, at = path.read_bytes(), header[1]
    for _ in range(entries):
        at += length_at(block, at)
    path.write_bytes(block[: at + 10])
    (life / "mark").unlink()
    for database in (directory / "spool").glob("idempotency.db*"):
        database.unlink()
