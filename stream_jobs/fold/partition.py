"""Folds one partition of a batch: the function that Spark runs in each task."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from pyspark import TaskContext

from headrace.schemas.codec import Event, Rejection, decode
from headrace.schemas.measures import Count, CountIf, Measure
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.registry import OUTPUTS
from headrace.warehouse.batch import Exclusions
from stream_jobs.fold.intake import Columns, Decode, Intake, faulted, kept, payloads_of, take_in
from stream_jobs.fold.minutes import minutes_of
from stream_jobs.fold.numbers import arrivals_of, places, ranges_by_source, settle
from stream_jobs.fold.partial import Partial, to_rows
from stream_jobs.fold.reject_rows import fold_by_id, rejects_of
from stream_jobs.fold.statuses import statuses_of
from stream_jobs.fold.windows import TypedEvents, fold_output
from stream_jobs.source.rows import ARROW_SCHEMA

_MOST_FAULTS = 1000  # of one partition; beyond, our code is broken, and rejecting on would only hide it
Outputs = Mapping[str, WindowedOutput]


def fold_task(
    batches: Iterable[pa.RecordBatch], exclusions: Exclusions, outputs: Outputs = OUTPUTS
) -> Iterator[pa.RecordBatch]:
    """The function for `mapInArrow`: the source's rows in, the rows of one `Partial` out."""
    context = TaskContext.get()
    partition = context.partitionId() if context else 0
    with _without_gc():
        yield to_rows(fold_partition(batches, partition, exclusions, outputs))


def fold_partition(
    batches: Iterable[pa.RecordBatch],
    partition: int,
    exclusions: Exclusions,
    outputs: Outputs = OUTPUTS,
) -> Partial:
    """Fold the source's rows (columns of `source.rows`; aggregates may be whole) as they come.

    No record can make it fail: one on which our own code raises becomes a reject (`job_fault`). Raises only
    what no single record is to blame for.
    """
    held: list[pa.RecordBatch] = []
    coming = kept(batches, held)
    try:
        return _fold(coming, partition, exclusions, outputs, decode)
    except Exception:
        held += coming
        to_blame = _faults(_payload_rows(held), outputs)
        if not to_blame:
            raise

    def sparing(raw: bytes) -> Event | Rejection:
        verdict = decode(raw)
        if raw not in to_blame or isinstance(verdict, Rejection):
            return verdict
        return faulted(raw, to_blame[raw], verdict)

    return _fold(held, partition, exclusions, outputs, sparing)


def _fold(
    batches: Iterable[pa.RecordBatch],
    partition: int,
    exclusions: Exclusions,
    outputs: Outputs,
    verdict: Decode,
) -> Partial:
    intake = take_in(batches, _fields_needed(outputs), verdict)
    columns = {name: Columns.join(blocks) for name, blocks in intake.blocks.items()}
    arrivals = arrivals_of(columns.values(), intake)
    settled = settle(arrivals, partition, exclusions)
    counted = places(arrivals, settled.counted, intake.count)
    good = {name: _typed(events.filter(counted[events.at]), intake) for name, events in columns.items()}
    folded = {
        output.name: fold_output(output, good[output.record_type.name])
        for output in outputs.values()
        if len(good.get(output.record_type.name, ()))
    }
    rejects = rejects_of(intake, arrivals, settled)
    return Partial(
        partition=partition,
        counted=ranges_by_source(arrivals, settled.counted),
        rejected=ranges_by_source(arrivals, settled.rejected),
        dropped=settled.dropped,
        types={name: len(events) for name, events in good.items() if len(events)},
        windows={name: table for name, (table, _) in folded.items()},
        parts={name: parts for name, (_, parts) in folded.items() if parts is not None},
        minutes=minutes_of({name: events.arrivals for name, events in good.items()}, rejects),
        rejects=fold_by_id(rejects) if rejects else None,
        statuses=statuses_of(intake),
        markers=intake.markers,
    )


def _fields_needed(outputs: Outputs) -> dict[str, Sequence[str]]:
    """Per record type the fields that its outputs group by or measure."""
    needed: dict[str, dict[str, None]] = {}
    for output in outputs.values():
        fields = needed.setdefault(output.record_type.name, {})
        fields |= dict.fromkeys(key.field for key in output.keys)
        fields |= dict.fromkeys(field for measure in output.measures for field in _fields_of(measure))
    return {name: list(fields) for name, fields in needed.items()}


def _fields_of(measure: Measure) -> tuple[str, ...]:
    if isinstance(measure, Count):
        return ()
    return (measure.of.field,) if isinstance(measure, CountIf) else (measure.field,)


def _typed(events: Columns, intake: Intake) -> TypedEvents:
    return TypedEvents(events.times, intake.arrivals(events.at), events.fields)


def _faults(rows: pa.Table, outputs: Outputs) -> dict[bytes, Exception]:
    """The records that fail when folded alone, and how; found by halving.

    Raises the fault when nothing at all can be folded, or when more records fail than chance explains.
    """
    found: dict[bytes, Exception] = {}
    suspects = [rows]
    while suspects:
        part = suspects.pop()
        try:
            _fold(part.to_batches(), 0, Exclusions(), outputs, decode)
        except Exception as error:
            if len(part) == 0 or len(found) >= _MOST_FAULTS:
                raise
            if len(part) == 1:
                found[part["data"][0].as_py()] = error
            else:
                middle = len(part) // 2
                suspects += [part.slice(0, middle), part.slice(middle)]
    return found


def _payload_rows(batches: list[pa.RecordBatch]) -> pa.Table:
    """The rows with aggregates taken apart; markers left out."""
    rows = pa.Table.from_batches(batches) if batches else ARROW_SCHEMA.empty_table()
    records = rows.filter(rows["data"].is_valid())
    payloads = [payloads_of(blob.as_py()) for blob in records["data"]]
    of = np.repeat(np.arange(len(payloads)), [len(parts) for parts in payloads])
    data = pa.array([part for parts in payloads for part in parts], pa.binary())
    return records.drop_columns("data").take(pa.array(of)).append_column("data", data)


@contextmanager
def _without_gc() -> Iterator[None]:
    """No collection while a partition is folded: nothing here forms cycles, and the records are many."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
