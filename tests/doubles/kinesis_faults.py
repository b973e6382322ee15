"""What can be made to go wrong in the Kinesis double."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Refuse:
    """Answer with this error; `after`: once the call has taken effect."""

    code: str = "InternalFailure"
    status: int = 500
    after: bool = False


@dataclass(frozen=True)
class Reset:
    """Break the connection; `after`: once the call has taken effect."""

    after: bool = False


@dataclass(frozen=True)
class Stall:
    """Never answer, so that the caller's time-out decides; `after`: once the call has taken effect."""

    after: bool = False


@dataclass(frozen=True)
class FailRecords:
    """PutRecords: these entries fail (None: all of them), the others are written."""

    which: frozenset[int] | None = None
    code: str = "ProvisionedThroughputExceededException"


@dataclass(frozen=True)
class Misroute:
    """PutRecords: write to the right shard, but answer this shard's name."""

    shard_id: str


@dataclass(frozen=True)
class Nothing:
    """GetRecords: an empty answer that is still behind, as Kinesis gives while it searches."""


Fault = Refuse | Reset | Stall | FailRecords | Misroute | Nothing


@dataclass
class Faults:
    """Faults by operation: a script is used up call by call, a rule holds until it is cleared."""

    seed: int = 0
    record_failure: float = 0.0  # the probability of each entry of PutRecords to fail
    record_code: str = "InternalFailure"
    call_failure: float = (
        0.0  # the probability of each call to be answered 500 or 503, half of them after effect
    )
    _scripts: dict[str, deque[Fault | None]] = field(default_factory=dict)
    _rules: dict[str, Callable[[], Fault | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def script(self, operation: str, *faults: Fault | None) -> None:
        """The next calls of this operation meet these, in turn (None: no fault)."""
        self._scripts.setdefault(operation, deque()).extend(faults)

    def always(self, operation: str, fault: Fault) -> None:
        """Each call of this operation meets this one, once its script is used up."""
        self._rules[operation] = lambda: fault

    def clear(self) -> None:
        """All is well again."""
        self._scripts.clear()
        self._rules.clear()
        self.record_failure = self.call_failure = 0.0

    def draw(self, operation: str) -> Fault | None:
        """What the call that has just come in meets."""
        if script := self._scripts.get(operation):
            return script.popleft()
        if rule := self._rules.get(operation):
            return rule()
        if self.call_failure and self._random.random() < self.call_failure:
            status = self._random.choice((500, 503))
            return Refuse("InternalFailure", status, after=self._random.random() < 0.5)
        return None

    def fails(self) -> bool:
        """Whether the next entry of PutRecords fails."""
        return bool(self.record_failure) and self._random.random() < self.record_failure
