"""The source's options: those of the `aws-kinesis` connector under their names, and ours."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir

import msgspec

from headrace.errors import SettingsError
from stream_jobs.source.admission import Limits
from stream_jobs.source.offsets import TRIM_HORIZON

LATEST = "LATEST"


class SourceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `option(...)` may say; names are case-insensitive, as everywhere in Spark.

    Attributes:
        stream: the stream's name.
        created: when it was made, in milliseconds since 1970: no batch of another is replayed; 0 for any.
        endpoint: another Kinesis endpoint than the environment's.
        region: another region than the environment's.
        start: where a new query begins: TRIM_HORIZON, LATEST, or the JSON of an offset (its `shards`
            as `offsets.ShardOffset`), after whose positions it goes on.
        fail_on_data_loss: end the query when records were dropped unread; else go on behind the gap.
        rows_per_shard: the most Kinesis records of one shard in a batch.
        rows_per_batch: the most Kinesis records in a batch (an aggregate is one).
        bytes_per_batch: the most bytes of data and keys in a batch; a larger record goes alone.
        cache_folder: where chunks lie between fetching and reading.
        cache_bytes: how much may wait there in all before fetching pauses.
        shared_cache: tasks see the cache's folder; else each carries its records, as on a cluster.
        deaggregate: give each user record of an aggregate a row of its own.
        markers: add a row per shard that says how far the batch takes it (see `rows.marker_rows`).
        max_partitions: the most partitions of a batch.
        idle_seconds: while nothing arrives, how often `markers` make an empty batch.
        status_file: where the reader says how it goes (JSON of `prefetch.ReaderState`); '' for nowhere.
    """

    stream: str = msgspec.field(name="kinesis.streamname")
    created: int = msgspec.field(name="kinesis.streamcreated", default=0)
    endpoint: str | None = msgspec.field(name="kinesis.endpointurl", default=None)
    region: str | None = msgspec.field(name="kinesis.region", default=None)
    start: str = msgspec.field(name="kinesis.startingposition", default=TRIM_HORIZON)
    fail_on_data_loss: bool = msgspec.field(name="kinesis.failondataloss", default=True)
    rows_per_shard: int = msgspec.field(name="kinesis.maxfetchrecordspershard", default=100_000)
    rows_per_batch: int = msgspec.field(name="maxrecordsperbatch", default=200_000)
    bytes_per_batch: int = msgspec.field(name="maxbytesperbatch", default=128 << 20)
    cache_folder: str = msgspec.field(
        name="cachedirectory", default=str(Path(gettempdir()) / "headrace-cache")
    )
    cache_bytes: int = msgspec.field(name="cachebytes", default=512 << 20)
    shared_cache: bool = msgspec.field(name="sharedcache", default=True)
    deaggregate: bool = True
    markers: bool = False
    max_partitions: int = msgspec.field(name="maxpartitions", default=2)
    idle_seconds: float = msgspec.field(name="idleseconds", default=5.0)
    status_file: str = msgspec.field(name="statusfile", default="")

    @property
    def limits(self) -> Limits:
        """The admission's limits."""
        return Limits(self.rows_per_batch, self.bytes_per_batch, self.rows_per_shard)


def parse_options(options: Mapping[str, str]) -> SourceOptions:
    """Read what Spark hands over. Raises SettingsError for a missing, wrong or unknown option."""
    given = {name.lower(): value for name, value in options.items()}
    known = {field.encode_name for field in msgspec.structs.fields(SourceOptions)}
    if unknown := sorted(set(given) - known - {"path"}):
        raise SettingsError(f"the Kinesis source knows no option {', '.join(unknown)}")
    try:
        return msgspec.convert(given, SourceOptions, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"Kinesis source: {error}") from error
