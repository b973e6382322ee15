"""A windowed output: one declaration from which the grouping, the tables, the MERGE and the views derive."""

from dataclasses import dataclass
from datetime import timedelta

from headrace.schemas.measures import Count, CountIf, Derived, Distinct, Key, Measure, Quantile, Sum
from headrace.schemas.record_type import RecordType
from headrace.schemas.reserved_words import RESERVED_WORDS
from headrace.schemas.tables import BIGINT, INT, TIMESTAMP, Column, Table, text

__all__ = [
    "Count",
    "CountIf",
    "Derived",
    "Distinct",
    "Key",
    "Measure",
    "Quantile",
    "Sum",
    "WindowedOutput",
]

DAY = timedelta(days=1)
MAX_NAME_LENGTH = 50
"""Leaves room for `__parts` and `_final` within PostgreSQL's 63 bytes."""

WINDOW_COLUMNS = (
    Column("window_start", TIMESTAMP, description="start of the window, inclusive, UTC"),
    Column("window_end", TIMESTAMP, description="end of the window, exclusive, UTC"),
)
BOOK_COLUMNS = (
    Column("records", BIGINT, description="records in the window, late ones included"),
    Column("late_records", BIGINT, description="of these, how many arrived after the allowed lateness"),
    Column("updated_at", TIMESTAMP, description="when a batch last changed the row"),
)
PART_COLUMNS = (
    Column("measure", text(63), description="the field whose parts these are"),
    Column("part", INT, description="log bucket (-1: zero), or HyperLogLog register"),
    Column("n", BIGINT, description="records in the bucket (merges by adding), or rank (merges by GREATEST)"),
)


@dataclass(frozen=True)
class WindowedOutput:
    """A table of tumbling windows over one record type.

    Windows start at multiples of `every` since 1970-01-01T00:00Z; a record is late when it arrives more than
    `allowed_lateness` after its window's end.

    Raises:
        TypeError: a key or measure does not suit its field.
        ValueError: a name is not plain, is reserved or used twice, a field does not exist, or `every` is no
            whole number of seconds that divides a day.
    """

    name: str
    record_type: RecordType
    every: timedelta
    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]
    description: str
    allowed_lateness: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        """Refuse a declaration that could not be kept."""
        if self.every < timedelta(seconds=1) or self.every.microseconds or DAY % self.every:
            raise ValueError(f"{self.name}: windows of {self.every} do not fill a day")
        if self.allowed_lateness < timedelta(0):
            raise ValueError(f"{self.name}: the allowed lateness is negative")
        if not self.record_type.numbered:
            raise ValueError(
                f"{self.name}: {self.record_type.name} is outside the ledger and cannot be counted"
            )
        names = (self.name, *(part.name for part in (*self.keys, *self.measures)))
        for name in names:
            if name in RESERVED_WORDS or "__" in name or len(name) > MAX_NAME_LENGTH:
                raise ValueError(
                    f"{self.name}: {name!r} is reserved or longer than {MAX_NAME_LENGTH} characters"
                )
        self.table()
        self.parts_table()

    @property
    def sketched(self) -> tuple[Quantile | Distinct, ...]:
        """The measures whose columns are recomputed from the parts table."""
        return tuple(measure for measure in self.measures if isinstance(measure, Quantile | Distinct))

    def table(self) -> Table:
        """The windowed table."""
        return Table(
            name=self.name,
            columns=(
                *WINDOW_COLUMNS,
                *self._key_columns(),
                *(measure.column(self.record_type) for measure in self.measures),
                *BOOK_COLUMNS,
            ),
            sort_key=("window_start",),
            dist_key=self._dist_key(),
            description=self.description,
        )

    def parts_table(self) -> Table | None:
        """The table of the parts that quantiles and distinct counts are computed from; None without such."""
        if not self.sketched:
            return None
        return Table(
            name=f"{self.name}__parts",
            columns=(WINDOW_COLUMNS[0], *self._key_columns(), *PART_COLUMNS),
            sort_key=("window_start",),
            dist_key=self._dist_key(),
            description=f"Mergeable parts of the quantiles and distinct counts of {self.name}.",
        )

    def _key_columns(self) -> tuple[Column, ...]:
        return tuple(key.column(self.record_type) for key in self.keys)

    def _dist_key(self) -> str:
        """The widest key, as the most varied one, so that rows spread and MERGE stays on its node."""
        columns = self._key_columns()
        return max(columns, key=lambda column: column.type.max_bytes or 0).name if columns else "window_start"
