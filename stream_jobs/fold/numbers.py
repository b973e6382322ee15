"""Which of a partition's numbers count: each once, a good copy before a bad one, then the first."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from headrace.warehouse.batch import Exclusions
from headrace.warehouse.ranges import RangeSet
from stream_jobs.fold.intake import Columns, Int64s, Intake

Mask = npt.NDArray[np.bool_]
_NONE = RangeSet()


class Arrivals(NamedTuple):
    """Numbered records of one partition, good ones in the order of their places, then bad ones in theirs.

    Attributes:
        at: per record its place among the partition's records.
        names: the sources.
        sources: per record the index of its source in `names`.
        numbers: its sequence number.
        good: whether it is a good record.
    """

    at: Int64s
    names: list[str]
    sources: Int64s
    numbers: Int64s
    good: Mask


class Settled(NamedTuple):
    """What becomes of each of the arrivals, as masks over them; what is in none of them is dropped."""

    counted: Mask
    rejected: Mask
    scattered: Mask
    dropped: dict[str, int]


def arrivals_of(good: Iterable[Columns], intake: Intake) -> Arrivals:
    """Every numbered record: good ones, `reject.v1` events, and rejections whose number could be read."""
    names: dict[str, int] = {}
    ats, sources, numbers = [], [], []
    for events in good:
        encoded = events.sources.dictionary_encode()
        codes = np.array([names.setdefault(name, len(names)) for name in encoded.dictionary.to_pylist()])
        ats.append(events.at)
        sources.append(codes[encoded.indices.to_numpy()])
        numbers.append(events.numbers)
    good_count = sum(map(len, ats))
    bad = sorted(_numbered_bad(intake))
    ats.append(np.array([at for at, _, _ in bad], dtype=np.int64))
    sources.append(np.array([names.setdefault(name, len(names)) for _, name, _ in bad], dtype=np.int64))
    numbers.append(np.array([number for _, _, number in bad], dtype=np.int64))
    at = np.concatenate(ats)
    is_good = np.arange(len(at)) < good_count
    order = np.lexsort((at, ~is_good)) if len(ats) > 2 else np.arange(len(at))  # noqa: PLR2004  types mixed
    return Arrivals(
        at=at[order],
        names=list(names),
        sources=np.concatenate(sources)[order],
        numbers=np.concatenate(numbers)[order],
        good=is_good[order],
    )


def _numbered_bad(intake: Intake) -> Iterator[tuple[int, str, int]]:
    for at, event in intake.rejects:
        yield at, event.source, int(event.sequence)
    for at, rejection in intake.rejections:
        if rejection.source is not None and rejection.sequence is not None:
            yield at, rejection.source, rejection.sequence


def places(arrivals: Arrivals, chosen: Mask, count: int) -> Mask:
    """The chosen arrivals as a mask over all `count` places."""
    mask = np.zeros(count, dtype=np.bool_)
    mask[arrivals.at[chosen]] = True
    return mask


def settle(arrivals: Arrivals, partition: int, exclusions: Exclusions) -> Settled:
    """Apply the exclusions, then keep the first copy of each number."""
    kept = np.ones(len(arrivals.numbers), dtype=np.bool_)
    scattered = np.zeros(len(arrivals.numbers), dtype=np.bool_)
    for code, name in enumerate(arrivals.names):
        excluded = _excluded(exclusions.duplicates, name, partition)
        too_scattered = exclusions.too_scattered.get(name, _NONE)
        here = np.flatnonzero(arrivals.sources == code) if len(arrivals.names) > 1 else slice(None)
        numbers = arrivals.numbers[here]
        if excluded:
            kept[here] &= ~excluded.mask(numbers)
        if too_scattered:
            scattered[here] = too_scattered.mask(numbers)
        kept[here] &= _first_copies(numbers, kept[here])
    scattered &= kept & arrivals.good
    lost = Counter(arrivals.sources[~kept].tolist())
    return Settled(
        counted=kept & arrivals.good & ~scattered,
        rejected=kept & ~arrivals.good,
        scattered=scattered,
        dropped={arrivals.names[code]: count for code, count in lost.items()},
    )


def ranges_by_source(arrivals: Arrivals, chosen: Mask) -> dict[str, RangeSet]:
    """The numbers of the chosen arrivals, per source that has any."""
    sources, numbers = arrivals.sources[chosen], arrivals.numbers[chosen]
    found = {
        arrivals.names[code]: RangeSet.from_numbers(numbers[sources == code])
        for code in np.unique(sources).tolist()
    }
    return {name: found[name] for name in sorted(found)}


def _excluded(duplicates: Mapping[tuple[str, int | None], RangeSet], name: str, partition: int) -> RangeSet:
    return duplicates.get((name, None), _NONE) | duplicates.get((name, partition), _NONE)


def _first_copies(numbers: Int64s, candidates: Mask) -> Mask:
    """Which candidates are the first with their number. A source mostly comes in order, without copies."""
    if len(numbers) < 2 or bool((numbers[1:] > numbers[:-1]).all()):  # noqa: PLR2004  one has no copy
        return candidates
    where = np.flatnonzero(candidates)
    _, firsts = np.unique(numbers[where], return_index=True)
    mask = np.zeros(len(numbers), dtype=np.bool_)
    mask[where[firsts]] = True
    return mask
