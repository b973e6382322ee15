"""Many records through everything that can go wrong: none lost, none counted twice, none out of order.

HEADRACE_TORTURE=1000000 makes them as many as told, HEADRACE_TORTURE_SEED=7 draws another run.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.doubles.kinesis import KinesisDouble
from tests.producers.torture import SEED, Torments, run, size, surroundings
from tests.producers.verdict import Line, judge

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

USERS = 20_000
ENVELOPE_BYTES = 160  # that a producer puts around a line's data, about
SIGNUP = re.compile(rb'\{"user_id":"([0-9a-f-]{36})","username":"(\d+)","country":"Utopia"\}')
ACCESS = re.compile(rb'"path":"/(\d+)"')
TODO = ["kill"] * 6 + ["split", "merge"] * 3


def user_of(number: int) -> str:
    user = (number * 0x9E3779B97F4A7C15 >> 24) % USERS
    return f"{user:08x}-0000-4000-8000-{user:012x}"


def signups(count: int) -> Iterator[bytes]:
    """Lines of NDJSON; their users come in no order, and each line says which it is."""
    for number in range(1, count + 1):
        yield (
            b'{"type":"user_signup.v1","time":"2026-11-21T12:00:00Z","data":'
            b'{"user_id":"%b","username":"%d","country":"Utopia"}}\n' % (user_of(number).encode(), number)
        )


def signup_line(data: bytes) -> Line:
    told = SIGNUP.fullmatch(data)
    assert told is not None, data
    number, user = int(told[2]), told[1].decode()
    assert user == user_of(number)
    return Line(number, user)


def accesses(count: int) -> Iterator[bytes]:
    for number in range(1, count + 1):
        yield b'10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /%d HTTP/1.1" 200 512 "-" "curl/8"\n' % number


def access_line(data: bytes) -> Line:
    (path,) = ACCESS.findall(data)
    return Line(int(path), None)


def write(path: Path, lines: Iterator[bytes]) -> int:
    """Returns its bytes."""
    with path.open("wb") as file:
        file.writelines(lines)
    return path.stat().st_size


def torture(
    tmp_path: Path,
    lines: Iterator[bytes],
    line_of: Callable[[bytes], Line],
    *,
    count: int,
    share: float,
    seed: int,
    shards: int = 16,
    options: tuple[object, ...] = (),
) -> None:
    log = tmp_path / "input.log"
    to_come = write(log, lines) + count * ENVELOPE_BYTES
    with KinesisDouble(seed=seed) as kinesis:
        kinesis.create_stream("events", shards=shards)
        torments = Torments(kinesis, seed=seed, share=share, to_come=to_come, todo=TODO)
        environ = surroundings(kinesis.url, tmp_path / "spool")
        kills = run(torments, ("file", log, *options), environ, tmp_path / "said")
        verdict = judge(kinesis.stream(), line_of)
    told = f"seed {seed}: {kills} kills, {torments.requests} requests, {dict(torments.done)}; {verdict}"
    print(told)  # noqa: T201  pytest shows it when the test fails: how to repeat it
    assert verdict.lost == [], told
    assert verdict.line_counts == list(range(1, count + 1)), told
    assert verdict.conflicts == verdict.inversions == verdict.astray == [], told
    assert verdict.wrongly_made == [], told
    assert verdict.closed == set(verdict.lines), told
    assert (torments.done["kill"], torments.done["split"], torments.done["merge"]) == (6, 3, 3), told
    assert kills >= 5, told  # one may come when all is sent


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_keyed_records_survive_failures_kills_and_resharding_in_order(tmp_path: Path, share: float) -> None:
    count = size(250_000)
    torture(
        tmp_path,
        signups(count),
        signup_line,
        count=count,
        share=share,
        seed=SEED * 1_000 + int(share * 100),
        options=("--format", "ndjson"),
    )


def test_records_that_trickle_in_small_aggregates_survive_the_same(tmp_path: Path) -> None:
    count = 40_000
    torture(
        tmp_path,
        signups(count),
        signup_line,
        count=count,
        share=0.1,
        seed=SEED * 1_000 + 500,
        shards=64,
        options=("--format", "ndjson", "--rate", 4_000),
    )


def test_unkeyed_records_survive_the_same(tmp_path: Path) -> None:
    count = size(200_000)
    torture(tmp_path, accesses(count), access_line, count=count, share=0.1, seed=SEED * 1_000 + 600)
