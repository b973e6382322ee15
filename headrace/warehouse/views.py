"""The views that analysts and reconcile read, as text that PostgreSQL and Redshift both take."""

from collections.abc import Iterable

from headrace.schemas.loan_tables import LOAN_TABLES
from headrace.schemas.outputs import WindowedOutput
from headrace.schemas.targets.sql import quote

FRONTIER = """
CREATE OR REPLACE VIEW frontier AS
SELECT MIN(progress.frontier) AS frontier
FROM shard_progress AS progress
LEFT JOIN epochs ON epochs.stream = progress.stream
LEFT JOIN epochs AS anew
  ON SPLIT_PART(anew.stream, '@', 1) = SPLIT_PART(epochs.stream, '@', 1) AND anew.taken_at > epochs.taken_at
LEFT JOIN (
  SELECT stream, parent AS shard FROM shard_progress WHERE parent <> ''
  UNION SELECT stream, adjacent_parent FROM shard_progress WHERE adjacent_parent <> ''
) AS parents ON parents.stream = progress.stream AND parents.shard = progress.shard
WHERE anew.stream IS NULL AND NOT (progress.closed AND parents.shard IS NOT NULL)
"""
"""The instant that every shard has passed; a drained parent leaves once its children are in.

Of the streams called name@…, only the one that a job took last counts: the others were made anew since.
"""

REJECTS_PER_MINUTE = """
CREATE OR REPLACE VIEW rejects_per_minute AS
SELECT DATE_TRUNC('minute', first_seen) AS minute, stage, code, record_type,
  COUNT(*) AS rejects, CAST(SUM(GREATEST(seen, seen_on_errors)) AS BIGINT) AS seen
FROM rejects
GROUP BY DATE_TRUNC('minute', first_seen), stage, code, record_type
"""
"""A copy on `events` and its reject on `errors` are one record, so the larger count is how often it came."""

LEDGER = """
CREATE OR REPLACE VIEW ledger AS
SELECT sources.source,
  COALESCE(numbers.counted, 0) AS counted,
  COALESCE(numbers.rejected, 0) AS rejected,
  COALESCE(numbers.written_off, 0) AS written_off,
  sources.duplicates_dropped,
  sources.highest, sources.spooled, sources.acknowledged, sources.closed, sources.status_at
FROM ledger_sources AS sources
LEFT JOIN (
  SELECT source,
    CAST(SUM(CASE WHEN fate = 'counted' THEN last_number - first_number + 1 ELSE 0 END) AS BIGINT)
      AS counted,
    CAST(SUM(CASE WHEN fate = 'rejected' THEN last_number - first_number + 1 ELSE 0 END) AS BIGINT)
      AS rejected,
    CAST(SUM(CASE WHEN fate = 'written_off' THEN last_number - first_number + 1 ELSE 0 END) AS BIGINT)
      AS written_off
  FROM ledger_ranges
  GROUP BY source
) AS numbers ON numbers.source = sources.source
"""
"""One line per source, to look at; `headrace reconcile` judges."""


def final_view(output: WindowedOutput) -> str:
    """The windows that can only change by records that are flagged late.

    Strictly before the frontier: a record may still arrive in the frontier's own instant, and one that
    arrives exactly at window end + lateness is not late.
    """
    columns = ", ".join(f"windows.{quote(column.name)}" for column in output.table().columns)
    return (
        f"CREATE OR REPLACE VIEW {quote(final_name(output))} AS\nSELECT {columns}\n"
        f"FROM {quote(output.name)} AS windows CROSS JOIN frontier\n"
        f"WHERE {is_final(output)}"
    )


def is_final(output: WindowedOutput) -> str:
    """The condition for it, on a row called `windows` and the view `frontier`; NULL before any batch."""
    lateness = int(output.allowed_lateness.total_seconds())
    return f"windows.window_end + INTERVAL '{lateness} seconds' < frontier.frontier"


def final_name(output: WindowedOutput) -> str:
    """The name of the view of final windows."""
    return f"{output.name}_final"


def views(outputs: Iterable[WindowedOutput]) -> dict[str, str]:
    """Every view's text by name, in an order in which they can be created."""
    return {
        "frontier": FRONTIER,
        "rejects_per_minute": REJECTS_PER_MINUTE,
        "ledger": LEDGER,
        **{final_name(output): final_view(output) for output in outputs},
    }


def readable_by_analysts(outputs: Iterable[WindowedOutput]) -> list[str]:
    """The tables and views that the analysts' role may read."""
    names = ["rejects", "rejects_per_minute", "ledger", "frontier", "batch_loads", *LOAN_TABLES]
    for output in outputs:
        names += [output.name, final_name(output)]
        if (parts := output.parts_table()) is not None:
            names.append(parts.name)
    return names
