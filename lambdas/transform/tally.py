"""What became of the records of one call: counts for the metrics, places for the log."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

NOT_TAKEN = "not_taken"
"""Why a record failed whose rejects the stream `errors` did not take; every other reason is a reject code."""


class Failure(NamedTuple):
    """A record that Firehose keeps whole under the error prefix, and where it lay on `events`."""

    reason: str
    shard: str | None
    sequence: str | None


@dataclass
class Tally:
    """Failed are Firehose's records, the others user records: nearly always the same.

    Attributes:
        delivered: lines for the archive.
        rejected: put to `errors` as rejects of the transform, by code.
        forwarded: a producer's rejects, put to `errors` as they came.
        failures: neither of these; what was put of them does not count.
        faults: what our own code raised.
        response_bytes: the length of the answer in JSON.
    """

    delivered: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    forwarded: int = 0
    failures: list[Failure] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    response_bytes: int = 0

    @property
    def failed(self) -> Counter[str]:
        """How many failed, by reason."""
        return Counter(failure.reason for failure in self.failures)
