import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyspark
import pytest
from prometheus_client import REGISTRY
from pyspark.sql import SparkSession

from headrace.errors import BatchMismatch, FencedOut, StreamRecreated
from headrace.schemas.codec import Rejection, encode
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.probe import POINTS
from producers.formats.access_log import parse
from tests.doubles.kinesis import KinesisDouble
from tests.e2e.truth import PATHS, TRAFFIC, Truth
from tests.schemas.examples import bad_examples, good_examples
from tests.stream_jobs.job.harness import NOON, Job, access, counted, send, settled, snapshot

pytestmark = [
    pytest.mark.spark,
    pytest.mark.stack,
    pytest.mark.xdist_group("stream-job"),  # one Spark for all of them
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # py4j's and pyspark's
]

Jobs = Callable[..., Job]
Query = Callable[[str], list[tuple[Any, ...]]]


def test_records_reach_every_window_and_the_ledger(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query
) -> None:
    send(kinesis, [access(number) for number in range(1, 501)])
    job().until(lambda: counted(url) == 500)
    for name in ("web_traffic_1m", "web_paths_5m", "web_visitors_15m"):
        assert query(f"select sum(records), sum(requests) from {name}") == [(500, 500)]
    assert query("select sum(bytes) from web_traffic_1m") == [(500 * 501 // 2,)]
    assert query("select records from ledger_types where record_type = 'web_access.v1'") == [(500,)]


def test_everything_twice_and_shuffled_gives_the_same_numbers(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query
) -> None:
    raws = [access(number) for number in range(1, 301)] + [b"garbage", access(301).replace(b"200", b'"x"')]
    send(kinesis, raws)
    before = in_windows()
    running = job(batch_records=60)
    running.until(lambda: settled(url) == 301)
    once = snapshot(url)
    again = raws * 2
    random.Random(7).shuffle(again)
    send(kinesis, again, per_aggregate=3)
    kinesis.put("events", access(302), key="last", hash_key="0")
    kinesis.put("events", access(303), key="last", hash_key=str(2**128 - 1))
    running.until(lambda: counted(url) == 302)
    twice = snapshot(url)
    assert query("select sum(records) from web_traffic_1m") == [(302,)]
    assert once["ledger_types"] == [("web_access.v1", 300)]
    assert len(twice["rejects"]) == len(once["rejects"]) == 2
    assert query("select sum(bytes) from web_traffic_1m") == [(sum(range(1, 301)) + 302 + 303,)]
    running.until(lambda: in_windows() - before == 3 * 302)  # three outputs; a copy comes into none


def in_windows() -> float:
    """What the metric says."""
    return REGISTRY.get_sample_value("headrace_window_records_total") or 0


def test_a_record_that_comes_days_late_lands_in_its_window_and_is_flagged(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query
) -> None:
    now = kinesis.clock.now()
    send(kinesis, [access(1, at=now), access(2, at=now - timedelta(days=3)), access(3, at=now)])
    job().until(lambda: counted(url) == 3)
    rows = query("select sum(records), sum(late_records) from web_traffic_1m")
    assert rows == [(3, 1)]
    (late,) = query("select window_start, records, late_records from web_traffic_1m where late_records > 0")
    assert late[0].replace(second=0) == (now - timedelta(days=3)).replace(second=0, microsecond=0)


def test_jobs_that_die_at_every_point_of_a_commit_change_no_number(
    kinesis: KinesisDouble, job: Jobs, url: str
) -> None:
    send(kinesis, [access(number) for number in range(1, 101)], per_aggregate=5)
    for point, visit in [(point, visit) for visit in (1, 2) for point in POINTS]:
        died = job(probe=_dies_at(point, visit=visit), batch_records=2).ended()
        assert (type(died), str(died)) == (MemoryError, point)
    last = job()
    send(kinesis, [access(101)])
    last.until(lambda: counted(url) == 101)
    numbers = snapshot(url)
    assert numbers["ledger_types"] == [("web_access.v1", 101)]
    for name in ("web_traffic_1m", "web_paths_5m", "web_visitors_15m"):
        assert sum(row[-1] for row in numbers[name]) == 101


def _dies_at(point: str, *, visit: int) -> Callable[[str], None]:
    visits: list[str] = []

    def probe(at: str) -> None:
        visits.append(at)
        if at == point and visits.count(point) == visit:
            raise MemoryError(at)

    return probe


def test_a_new_checkpoint_goes_on_where_the_warehouse_stands(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query, tmp_path: Any
) -> None:
    send(kinesis, [access(number) for number in range(1, 51)])
    first = job()
    first.until(lambda: counted(url) == 50)
    first.stop()
    second = job(checkpoint=str(tmp_path / "another"))
    send(kinesis, [access(51)])
    second.until(lambda: counted(url) == 51)
    assert query("select sum(dropped) from batches") == [(0,)]


def test_a_second_job_fences_the_first_out(
    kinesis: KinesisDouble, job: Jobs, url: str, tmp_path: Any
) -> None:
    send(kinesis, [access(number) for number in range(1, 51)])
    first = job()
    first.until(lambda: counted(url) == 50)
    second = job(checkpoint=str(tmp_path / "another"), stream="events", cache=str(tmp_path / "cache2"))
    send(kinesis, [access(number) for number in range(51, 101)])
    second.until(lambda: counted(url) == 100)
    assert isinstance(first.ended(), FencedOut)


def test_a_committed_batch_that_comes_back_with_other_ends_ends_the_job(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query
) -> None:
    send(kinesis, [access(1)])
    first = job()
    first.until(lambda: counted(url) == 1)
    first.stop()
    tampered = "update batches set batch_id = batch_id + 1, end_positions = '{}'"
    query(f"{tampered} where batch_id = (select max(batch_id) from batches) returning 1")
    send(kinesis, [access(2)])
    assert isinstance(job().ended(), BatchMismatch)


def test_a_stream_made_anew_ends_the_job_with_the_remedy(
    kinesis: KinesisDouble, job: Jobs, url: str, tmp_path: Any
) -> None:
    send(kinesis, [access(1)])
    first = job()
    first.until(lambda: counted(url) == 1)
    first.stop()
    del kinesis.api.streams["events"]
    kinesis.create_stream("events", shards=2)
    ended = job().ended()
    assert isinstance(ended, StreamRecreated)
    assert "HEADRACE_CHECKPOINT" in str(ended)
    send(kinesis, [access(2)])
    job(checkpoint=str(tmp_path / "new")).until(lambda: counted(url) == 2)


def test_shards_split_and_merge_while_the_job_runs(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query
) -> None:
    running = job()
    send(kinesis, [access(number) for number in range(1, 101)], per_aggregate=5)
    low, high = kinesis.split("shardId-000000000000")
    send(kinesis, [access(number) for number in range(101, 201)], per_aggregate=5)
    kinesis.merge(low.shard_id, high.shard_id)
    send(kinesis, [access(number) for number in range(201, 301)], per_aggregate=5)
    running.until(lambda: counted(url) == 300)
    assert query("select sum(dropped) from batches") == [(0,)]
    running.until(lambda: len(query("select 1 from shard_progress where closed")) == 3)


def test_extremes_of_every_field_commit_and_come_back_equal(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query
) -> None:
    largest = 2**53 - 1
    raws = [
        access(1, bytes=largest),
        access(2, bytes=largest, path="/" + "x" * 8000),
        access(3, path=None, method=None, status=None, bytes=None, client_address=None, user_agent=None),
        access(4, at=NOON.replace(year=1970, month=1, day=1)),
        access(5, at=NOON.replace(year=2199)),
        access(6, path="/\"'\\;--\t", user_agent='"quoted"'),
        access(largest, source="ünïcode/Ω", at=NOON),
        access(7, path="/\x00"),
    ]
    send(kinesis, raws, per_aggregate=3)
    job().until(lambda: settled(url) == 8)
    assert query("select max(bytes) from web_paths_5m where path like '/x%'") == [(largest,)]
    assert query("select count(*) from web_traffic_1m where method = '' and status_class = ''") == [(1,)]
    assert query("select records from web_paths_5m where path = e'/\"\\'\\\\;--\\t'") == [(1,)]
    assert query("select source, first_number from ledger_ranges where source like 'ü%'") == [
        ("ünïcode/Ω", largest)
    ]
    assert query("select code, sequence from rejects") == [("nul_character", 7)]


def test_sparks_workers_import_what_is_installed_and_compiled(spark: SparkSession) -> None:
    def place(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyspark  # noqa: PLC0415  in the worker

        for _ in batches:
            yield pa.record_batch({"place": [pyspark.__file__]})

    found = spark.range(1, numPartitions=1).mapInArrow(place, "place string").collect()
    assert [row.place for row in found] == [pyspark.__file__]


def test_an_idle_stream_moves_the_frontier(job: Jobs, query: Query) -> None:
    running = job()
    frontier = "select min(frontier) from shard_progress"
    running.until(lambda: query(frontier)[0][0] is not None)
    (first,) = query(frontier)[0]
    running.until(lambda: query(frontier)[0][0] > first)
    assert running.monitor.health().ok


def test_the_real_log_twice_and_shuffled_equals_the_truth(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query
) -> None:
    log = Path(__file__).parents[3] / "examples" / "access.log"
    truth = Truth(log)
    raws = []
    for number, line in enumerate(log.read_bytes().splitlines(), start=1):
        parsed = parse(line)
        raws.append(
            b"a line that is none" if isinstance(parsed, Rejection) else encode("web-1/A", number, *parsed)
        )
    copies = raws * 2
    random.Random(7).shuffle(copies)
    send(kinesis, copies, per_aggregate=150)
    job(batch_records=50).until(lambda: counted(url) == truth.good())
    send(kinesis, raws[:1000], per_aggregate=100)
    traffic = "select window_start, method, status_class, requests, bytes from web_traffic_1m"
    assert sorted(_in_utc(query(traffic))) == sorted(row[:5] for row in truth.rows(TRAFFIC))
    paths = "select window_start, path, requests, errors, bytes from web_paths_5m"
    assert sorted(_in_utc(query(paths))) == sorted(truth.rows(PATHS))
    assert query("select sum(records), sum(late_records) from web_paths_5m") == [(truth.good(),) * 2]


def _in_utc(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """DuckDB's timestamps have no zone."""
    return [(row[0].astimezone(UTC).replace(tzinfo=None), *row[1:]) for row in rows]


def test_a_warehouse_that_goes_away_is_waited_for(
    kinesis: KinesisDouble, job: Jobs, url: str, server: str
) -> None:
    running = job()
    send(kinesis, [access(1)])
    running.until(lambda: counted(url) == 1)
    name = url.rpartition("/")[2]
    with psycopg.connect(server + "postgres", autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        send(kinesis, [access(2)])
        running.until(lambda: "warehouse" in str(running.monitor.health().detail["trouble"]))
        assert not running.monitor.health().ok
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    running.until(lambda: counted(url) == 2)
    running.until(lambda: running.monitor.health().ok)


def test_a_kinesis_that_goes_away_is_waited_for(kinesis: KinesisDouble, job: Jobs, url: str) -> None:
    running = job()
    send(kinesis, [access(1)])
    running.until(lambda: counted(url) == 1)
    kinesis.down()
    running.until(lambda: not running.monitor.health().ok)
    kinesis.up()
    send(kinesis, [access(2)])
    running.until(lambda: counted(url) == 2)
    running.until(lambda: running.monitor.health().ok)


def test_garbage_does_not_stop_the_stream(kinesis: KinesisDouble, job: Jobs, url: str, query: Query) -> None:
    send(kinesis, [b"garbage", b"\x00", b"{}", b"[" * 5000, access(1)], per_aggregate=5)
    job().until(lambda: counted(url) == 1)
    assert query("select count(*) from rejects") == [(4,)]


def test_golden_examples_get_the_same_verdict_in_spark(
    kinesis: KinesisDouble, job: Jobs, query: Query
) -> None:
    counted = {output.record_type.name for output in OUTPUTS.values()}
    examples = [e for e in (*good_examples(), *bad_examples()) if e.record_type in counted]
    codes: dict[bytes, str] = {}
    for number, example in enumerate(examples, start=100):
        raw = example.raw.replace(b"0000000000000001", b"%016d" % number)  # or they were copies of one number
        codes[raw] = example.code or "good"
    send(kinesis, list(codes), per_aggregate=4)
    send(kinesis, [access(1, source="the last/one")])
    good = sum(code == "good" for code in codes.values())
    job().until(lambda: query("select sum(records) from ledger_types") == [(good + 1,)])
    found = {raw: (code, stage) for raw, code, stage in query("select raw, code, stage from rejects")}
    assert found == {raw: (code, "stream_job") for raw, code in codes.items() if code != "good"}


def test_too_many_bad_records_open_their_types_breaker_and_are_kept_all_the_same(
    kinesis: KinesisDouble, job: Jobs, url: str, query: Query
) -> None:
    good = [access(number) for number in range(1, 181)]
    bad = [access(number).replace(b'"status":200', b'"status":"x"') for number in range(181, 201)]
    send(kinesis, good + bad)
    running = job()
    running.until(lambda: settled(url) == 200)
    running.until(lambda: bool(query("select * from breakers")))
    assert query("select record_type, limit_share, closed_at from breakers") == [
        ("web_access.v1", 0.05, None)
    ]
    assert query("select sum(counted), sum(rejected) from type_minutes") == [(180, 20)]
    assert query("select sum(records) from web_traffic_1m") == [(180,)]
    assert query("select count(*) from rejects") == [(20,)]
