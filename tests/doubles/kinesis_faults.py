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
class Late:
    """Never answer, and take effect only so many seconds later, when the caller may have asked again."""

    seconds: float
    after: bool = False


@dataclass(frozen=True)
class Cut:
    """Take effect, answer half of the bytes, and break the connection."""


@dataclass(frozen=True)
class HalfOfResults:
    """PutRecords: take effect, and tell the results of the first half only."""


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


Fault = Refuse | Reset | Stall | Late | Cut | HalfOfResults | FailRecords | Misroute | Nothing


@dataclass
class Faults:
    """Faults by operation: a script is used up call by call, a rule holds until it is cleared."""

    seed: int = 0
    record_failure: float = 0.0  # the probability of each entry of PutRecords to fail
    record_code: str = "InternalFailure"
    throttled_share: float = 0.0  # of those that fail, throttled instead
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

    def follow(self, operation: str, rule: Callable[[], Fault | None]) -> None:
        """Each call of this operation meets what the rule says; it is asked as the call comes in."""
        self._rules[operation] = rule

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

    def failing_code(self) -> str | None:
        """The code with which the next entry of PutRecords fails, if it does."""
        if not self.record_failure or self._random.random() >= self.record_failure:
            return None
        is_throttled = bool(self.throttled_share) and self._random.random() < self.throttled_share
        return "ProvisionedThroughputExceededException" if is_throttled else self.record_code
