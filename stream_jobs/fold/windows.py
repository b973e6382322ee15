"""Groups events of one record type by the windows and keys of an output, into additive partial rows."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.schemas.measures import Count, CountIf, Distinct, Quantile, Sum
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.sketches import BUCKET_LIMITS, ZERO_BUCKET, register_of
from stream_jobs.fold.intake import Int64s

TIMESTAMP = pa.timestamp("us", tz="UTC")
SUM = pa.decimal128(38, 0)
_LIMITS = np.array(BUCKET_LIMITS, dtype=np.int64)
_INT64_MAX = 2**63 - 1
_register_of = lru_cache(maxsize=1 << 17)(register_of)


class TypedEvents:
    """Events of one record type as columns; derived values are computed once per distinct value.

    Args:
        times: event times, microseconds since 1970.
        arrivals: when they arrived in the stream, microseconds since 1970.
        fields: values by field.
    """

    def __init__(self, times: Int64s, arrivals: Int64s, fields: Mapping[str, pa.Array]) -> None:
        self.times = times
        self.arrivals = arrivals
        self._fields = fields
        self._encoded: dict[str, pa.DictionaryArray] = {}

    def __len__(self) -> int:
        return len(self.times)

    def values(self, field: str) -> pa.Array:
        """A field's values."""
        return self._fields[field]

    def encoded(self, field: str) -> pa.DictionaryArray:
        """A field's values by their distinct ones; null has the code null."""
        if field not in self._encoded:
            self._encoded[field] = self._fields[field].dictionary_encode()
        return self._encoded[field]

    def mapped(self, field: str, by: Callable[[Any], Any], kind: pa.DataType) -> pa.Array:
        """`by` of each value, null included, called once per distinct value."""
        encoded = self.encoded(field)
        results = pa.array([*map(by, encoded.dictionary.to_pylist()), by(None)]).cast(kind)
        codes = pc.fill_null(encoded.indices, len(encoded.dictionary))
        return results.take(codes)

    def keys(self, field: str, by: Callable[[Any], str]) -> pa.DictionaryArray:
        """`by` of each value as a dictionary of distinct texts, for grouping."""
        encoded = self.encoded(field)
        texts = pa.array(
            [*map(by, encoded.dictionary.to_pylist()), by(None)], pa.string()
        ).dictionary_encode()
        codes = pc.fill_null(encoded.indices, len(encoded.dictionary))
        return pa.DictionaryArray.from_arrays(texts.indices.take(codes), texts.dictionary)


def fold_output(output: WindowedOutput, events: TypedEvents) -> tuple[pa.Table, pa.Table | None]:
    """The partial rows of the output's table, and those of its parts table if it has one."""
    every = output.every // timedelta(microseconds=1)
    lateness = output.allowed_lateness // timedelta(microseconds=1)
    starts = events.times - events.times % every
    late = events.arrivals > starts + (every + lateness)
    keys = {key.name: events.keys(key.field, key.text) for key in output.keys}
    group = {"window_start": pa.array(starts), **{name: column.indices for name, column in keys.items()}}
    texts = {name: column.dictionary for name, column in keys.items()}
    rows = _rows(output, events, group, late)
    table = _with_texts(rows, texts)
    ends = pc.add(table["window_start"].cast(pa.int64()), every).cast(TIMESTAMP)
    table = table.add_column(1, "window_end", ends)
    parts = [
        _with_texts(_parts(measure, events, group), texts) for measure in _one_per_field(output.sketched)
    ]
    return table, pa.concat_tables(parts) if parts else None


def _rows(
    output: WindowedOutput, events: TypedEvents, group: dict[str, pa.Array], late: np.ndarray[Any, Any]
) -> pa.Table:
    """One row per group, keys still as codes; the measures in the order of the output's columns."""
    columns = dict(group)
    wanted: list[tuple[str, str, pa.DataType]] = []
    for measure in output.measures:
        if isinstance(measure, Count):
            wanted.append((measure.name, "records", pa.int64()))
        elif isinstance(measure, CountIf):
            columns[measure.name] = events.mapped(measure.of.field, measure.holds, pa.int8())
            wanted.append((measure.name, measure.name, pa.int64()))
        elif isinstance(measure, Sum):
            columns[measure.name] = _addends(events.values(measure.field))
            wanted.append((measure.name, measure.name, SUM))
    columns["records"] = pa.array(np.ones(len(events), dtype=np.int8))
    columns["late_records"] = pa.array(late.astype(np.int8))
    wanted += [("records", "records", pa.int64()), ("late_records", "late_records", pa.int64())]
    summed = sorted({column for _, column, _ in wanted})
    grouped = (
        pa.table(columns)
        .group_by(list(group), use_threads=False)
        .aggregate([(column, "sum", pc.ScalarAggregateOptions(min_count=0)) for column in summed])
    )
    return pa.table(
        {name: grouped[name] for name in group}
        | {name: grouped[f"{column}_sum"].cast(kind) for name, column, kind in wanted}
    )


def _addends(values: pa.Array) -> pa.Array:
    """The values in a type in which their sum is exact: 64 bits where that is sure, else decimals."""
    if not len(values):
        return values
    extremes = pc.min_max(values).as_py()
    largest = max(abs(extremes["min"] or 0), abs(extremes["max"] or 0))
    return values if largest * len(values) <= _INT64_MAX else values.cast(SUM)


def _parts(measure: Quantile | Distinct, events: TypedEvents, group: dict[str, pa.Array]) -> pa.Table:
    """The parts of one field: columns of the group, then measure, part, n."""
    counted = _buckets if isinstance(measure, Quantile) else _registers
    parts = counted(events, measure.field, group)
    name = pa.repeat(pa.scalar(measure.field), len(parts))
    return parts.add_column(len(group), "measure", name)


def _buckets(events: TypedEvents, field: str, group: dict[str, pa.Array]) -> pa.Table:
    values = events.values(field)
    known = values.is_valid()
    if values.null_count:
        group = {name: column.filter(known) for name, column in group.items()}
        values = values.drop_null()
    numbers = values.to_numpy(zero_copy_only=False).astype(np.int64)
    buckets = np.searchsorted(_LIMITS, numbers, side="left")
    buckets[numbers == 0] = ZERO_BUCKET
    table = pa.table(group | {"part": pa.array(buckets.astype(np.int32))})
    grouped = table.group_by(table.column_names, use_threads=False).aggregate([([], "count_all")])
    return grouped.rename_columns([*table.column_names, "n"])


def _registers(events: TypedEvents, field: str, group: dict[str, pa.Array]) -> pa.Table:
    encoded = events.encoded(field)
    pairs = pa.table(group | {"value": encoded.indices})
    pairs = pairs.filter(encoded.indices.is_valid()) if encoded.null_count else pairs
    pairs = pairs.group_by(pairs.column_names, use_threads=False).aggregate([])
    hashed = np.array([_register_of(text) for text in encoded.dictionary.to_pylist()], dtype=np.int64)
    hashed = hashed.reshape(-1, 2)[pairs["value"].to_numpy()]
    table = pa.table(
        {name: pairs[name] for name in group}
        | {"part": pa.array(hashed[:, 0].astype(np.int32)), "n": pa.array(hashed[:, 1])}
    )
    keys = [*group, "part"]
    return table.group_by(keys, use_threads=False).aggregate([("n", "max")]).rename_columns([*keys, "n"])


def _with_texts(rows: pa.Table, texts: Mapping[str, pa.Array]) -> pa.Table:
    """Window starts as instants, and keys as texts in place of their codes."""
    columns = {name: rows[name] for name in rows.column_names}
    columns["window_start"] = columns["window_start"].cast(TIMESTAMP)
    for name, dictionary in texts.items():
        columns[name] = dictionary.take(columns[name].combine_chunks())
    return pa.table(columns)


def _one_per_field(sketched: tuple[Quantile | Distinct, ...]) -> list[Quantile | Distinct]:
    """Quantiles of one field share their parts."""
    return list({(type(measure), measure.field): measure for measure in sketched}.values())
