"""What a sender must know of its stream: the shards, and how large a record may be."""

from headrace.errors import KinesisNotFound, KinesisRefused, KinesisUnavailable
from headrace.kinesis.messages import LONGEST_KEY_BYTES, MAX_RECORD_BYTES, USUAL_RECORD_BYTES, shard_map
from headrace.kinesis.port import Kinesis
from headrace.kinesis.shard_map import ShardMap

_REFRESH_SECONDS, _AGAIN_SECONDS = 600.0, 60.0


class StreamState:
    """Asked for at the start, every ten minutes, and when an answer shows that it `is_wrong`.

    `largest_record` is the data of a record in bytes; while the stream has not been asked, the most of any.
    """

    def __init__(self, client: Kinesis, stream: str) -> None:
        self._client = client
        self._stream = stream
        self._ask_at = float("-inf")
        self.is_wrong = True
        self.largest_record = MAX_RECORD_BYTES - LONGEST_KEY_BYTES

    def is_due(self, now: float) -> bool:
        """Whether to ask before anything more is sent."""
        return self.is_wrong or now >= self._ask_at

    def ask(self, now: float, *, surely: bool) -> ShardMap:
        """The open shards. Unless `surely`, the limit of a record stays as known where it is not answered.

        Raises KinesisUnavailable, ValueError when the shards are just being changed, or KinesisRefused.
        """
        self._ask_at = now + _AGAIN_SECONDS
        fresh = shard_map(self._client.list_shards(self._stream))
        try:
            summary = self._client.describe_stream_summary(self._stream)
            self.largest_record = summary.max_record_bytes - LONGEST_KEY_BYTES
        except KinesisNotFound:
            raise
        except KinesisRefused:  # no right to ask
            self.largest_record = USUAL_RECORD_BYTES - LONGEST_KEY_BYTES
        except KinesisUnavailable:  # a large record that is refused makes us ask again
            if surely:
                raise
        self._ask_at = now + _REFRESH_SECONDS
        self.is_wrong = False
        return fresh
