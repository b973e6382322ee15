"""The windows of feeds, folded by the job from records sent twice and shuffled, against the ground truth."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from headrace.ops.clock import SystemClock
from headrace.schemas.codec import Rejection, Stage, reject_event
from headrace.warehouse.reconcile import reconcile
from producers.formats import random_user, recentchange
from producers.line_format import NO_SHIFT, LineFormat
from tests.doubles.kinesis import KinesisDouble
from tests.e2e import feeds
from tests.e2e.truth import CHANGES, PEOPLE, Truth
from tests.e2e.windows import assert_edits_equal, assert_signups_equal
from tests.stream_jobs.job.harness import NOON, Job, access, send, settled

pytestmark = [
    pytest.mark.spark,
    pytest.mark.stack,
    pytest.mark.xdist_group("stream-job"),  # one Spark for all of them
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # py4j's and pyspark's
]


class Database:
    """Answers as `headrace query --format json` would."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            found = connection.execute(query.encode()).fetchall()
        return [{name: _plain(value) for name, value in row.items()} for row in found]


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def sealed(line_format: LineFormat, lines: Sequence[bytes], source: str) -> list[bytes]:
    """The lines as a producer sends them: records, and rejects in the place of what is none."""
    seal = line_format.sealer(None, NO_SHIFT)
    raws = []
    for number, line in enumerate(lines, start=1):
        record = seal(line, source, number)
        if isinstance(record, Rejection):
            record = reject_event(record, stage=Stage.PRODUCER, source=source, sequence=number, time=NOON)
        raws.append(record)
    return raws


def file_of(lines: Sequence[bytes], path: Path) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_feeds_twice_and_shuffled_among_other_records_equal_the_truth(
    kinesis: KinesisDouble, job: Callable[..., Job], url: str, tmp_path: Path
) -> None:
    changes, people = feeds.changes(1500, seed=1), feeds.people(800, seed=2)
    edits = Truth(file_of(changes, tmp_path / "changes"), CHANGES)
    signups = Truth(file_of(people, tmp_path / "people"), PEOPLE)
    assert (edits.good(), signups.good()) == (1600, 800)
    raws = sealed(recentchange.FORMAT, changes, "wiki/A") + sealed(random_user.FORMAT, people, "people/B")
    raws += [access(number) for number in range(1, 301)]
    copies = raws * 2
    random.Random(7).shuffle(copies)
    send(kinesis, copies, per_aggregate=100)
    job(batch_records=20).until(lambda: settled(url) == len(raws))
    assert_edits_equal(Database(url), edits)
    assert_signups_equal(Database(url), signups)
    report = reconcile(url, SystemClock())
    assert [(output.name, output.records, output.expected) for output in report.outputs] == [
        ("user_signups_10m", signups.good(), signups.good()),
        ("web_paths_5m", 300, 300),
        ("web_traffic_1m", 300, 300),
        ("web_visitors_15m", 300, 300),
        ("wiki_edits_1m", edits.good(), edits.good()),
    ]
    rejected = Database(url).rows("select source, raw from rejects")
    assert sorted(row["raw"].decode() for row in rejected) == sorted(
        edits.unreadable() + signups.unreadable()
    )
