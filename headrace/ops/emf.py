"""Metrics for CloudWatch, without a call to it: lines in the Embedded Metric Format, for a log that it reads.

A counter is written as what it has grown by since the line before, a gauge as it is, a histogram as values
with counts. The prefix `headrace_` falls away and names are spelled as CloudWatch's are:
`headrace_user_records_put` is `UserRecordsPut`, the label `shard` the dimension `Shard`.

Sources: Amazon CloudWatch User Guide, "Specification: Embedded metric format"; for histograms, of which it
does not speak, the OpenTelemetry Collector's exporter of the format (`awsemf`).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TextIO

import msgspec
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric

from headrace.ops.clock import Clock
from headrace.ops.logs import get_logger

MOST_METRICS = 100  # in one document
MOST_DIMENSIONS = 30  # in one set of them

_PREFIX = "headrace_"
_UNITS = {  # the first that a name ends with
    "_bytes_per_second": "Bytes/Second",
    "_per_second": "Count/Second",
    "_seconds": "Seconds",
    "_bytes": "Bytes",
    "": "Count",
}

Labels = tuple[tuple[str, str], ...]
Value = float | dict[str, object]
_Totals = dict[tuple[str, Labels], float]
_Histogram = tuple[float, dict[float, float]]  # sum; bound -> count up to there


class EmfReporter:
    """Writes what the registry holds every so many seconds; `step` is called as often as one likes."""

    def __init__(
        self,
        clock: Clock,
        out: TextIO,
        *,
        seconds: float | None,
        namespace: str,
        dimensions: Mapping[str, str],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        """`dimensions` go with every metric, beside those made from its labels; without `seconds`, never."""
        self._clock = clock
        self._out = out
        self._seconds = math.inf if seconds is None else seconds
        self._namespace = namespace
        self._dimensions = dict(dimensions)
        self._registry = registry
        self._written: _Totals = {}
        self._next_at = clock.monotonic() + self._seconds

    def step(self) -> None:
        """Write, if it is time."""
        now = self._clock.monotonic()
        if now >= self._next_at:
            self._next_at = now + self._seconds
            self.report()

    def report(self) -> None:
        """Write now, as at the end of a process. What cannot be written is in the next report."""
        if self._seconds == math.inf:
            return
        totals = dict(self._written)
        milliseconds = int(self._clock.now().timestamp() * 1000)
        lines = [
            msgspec.json.encode(document).decode() + "\n"
            for labels, metrics in _grouped(self._registry.collect(), totals).items()
            for document in self._documents(milliseconds, labels, metrics)
        ]
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except OSError as error:
            get_logger().warning("metrics cannot be written", problem=str(error))
            return
        self._written = totals

    def _documents(
        self, milliseconds: int, labels: Labels, metrics: Mapping[str, Value]
    ) -> Iterator[dict[str, object]]:
        dimensions = self._dimensions | {_camel(name): value or "none" for name, value in labels}
        names = iter(metrics)
        while some := list(islice(names, MOST_METRICS)):
            directive = {
                "Namespace": self._namespace,
                "Dimensions": [list(dimensions)[:MOST_DIMENSIONS]],
                "Metrics": [{"Name": _camel(name), "Unit": _unit(name)} for name in some],
            }
            yield {
                "_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]},
                **dimensions,
                **{_camel(name): metrics[name] for name in some},
            }


def _grouped(families: Iterable[Metric], totals: _Totals) -> dict[Labels, dict[str, Value]]:
    """Labels -> metric -> value. `totals`, what was written before, is moved on to what it is now."""
    groups: dict[Labels, dict[str, Value]] = {}
    for family in families:
        if not family.name.startswith(_PREFIX):
            continue
        for labels, value in _values(family, totals):
            groups.setdefault(labels, {})[family.name] = value
    return groups


def _values(family: Metric, totals: _Totals) -> Iterator[tuple[Labels, Value]]:
    if family.type == "histogram":
        for labels, histogram in _histograms(family, totals).items():
            if value := _distribution(*histogram):
                yield labels, value
        return
    for sample in family.samples:
        labels = tuple(sorted(sample.labels.items()))
        if family.type == "gauge" and math.isfinite(sample.value):
            yield labels, sample.value
        elif sample.name == f"{family.name}_total" and sample.value:  # one that never moved is left out
            yield labels, _grown(totals, sample.name, labels, sample.value)


def _grown(totals: _Totals, name: str, labels: Labels, now: float) -> float:
    before = totals.get((name, labels), 0.0)
    totals[name, labels] = now
    return now - before


def _histograms(family: Metric, totals: _Totals) -> dict[Labels, _Histogram]:
    """What each has grown by."""
    sums: dict[Labels, float] = {}
    buckets: dict[Labels, dict[float, float]] = {}
    for sample in family.samples:
        every = tuple(sorted(sample.labels.items()))
        labels = tuple(label for label in every if label[0] != "le")
        if sample.name == f"{family.name}_sum":
            sums[labels] = _grown(totals, sample.name, labels, sample.value)
        elif sample.name == f"{family.name}_bucket":
            grown = _grown(totals, sample.name, every, sample.value)
            buckets.setdefault(labels, {})[float(sample.labels["le"])] = grown
    return {labels: (sums.get(labels, 0.0), found) for labels, found in buckets.items()}


def _distribution(total: float, buckets: Mapping[float, float]) -> dict[str, object] | None:
    """Each bucket by its middle, the open one by its lower bound; None when nothing was observed."""
    values, counts = [], []
    low, counted = 0.0, 0.0
    least, most = math.inf, 0.0
    for bound, up_to_here in sorted(buckets.items()):
        high = bound if math.isfinite(bound) else low
        if up_to_here > counted:
            values.append((low + high) / 2)
            counts.append(up_to_here - counted)
            least, most = min(least, low), high
        low, counted = high, up_to_here
    if not values:
        return None
    return {"Values": values, "Counts": counts, "Min": least, "Max": most, "Count": counted, "Sum": total}


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.removeprefix(_PREFIX).split("_"))


def _unit(name: str) -> str:
    return next(unit for suffix, unit in _UNITS.items() if name.endswith(suffix))
