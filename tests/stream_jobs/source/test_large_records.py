"""Records of up to 10 MiB on their way through the source."""

from tests.doubles.kinesis import KinesisDouble
from tests.stream_jobs.source.engine import HIGH, LOW, Query, data_rows


def test_large_records_come_whole_among_small_ones_and_come_again_in_a_replay(
    kinesis: KinesisDouble, query: Query
) -> None:
    sizes = [10, 5 << 20, (10 << 20) - 1, 20, 5 << 20, 30]
    for number, size in enumerate(sizes):
        for hash_key in (LOW, HIGH):
            kinesis.put("events", bytes([number]) * size, "k", hash_key)
    engine = query(maxBytesPerBatch=str(1 << 20))
    rows = data_rows(engine.records(2 * len(sizes)))
    stored = {str(record.sequence): record.data for record in kinesis.records()}
    assert all(stored[row["sequenceNumber"]] == row["data"] for row in rows)
    assert len(rows) == len(stored)
    replayed = [row for batch in range(len(engine.log)) for row in data_rows(engine.rows(batch))]
    assert replayed == rows
