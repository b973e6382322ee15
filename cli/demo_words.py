"""What a demo says at its end."""

from collections.abc import Sequence
from pathlib import Path

from cli.demo_progress import Filled, Progress
from headrace.schemas.measures import Count
from headrace.schemas.outputs import WindowedOutput

_REJECTS = 'query "select code, errors, raw from rejects"    # what was rejected, whole, and why'
_UP = "up    # the stack again, in the background, on this data"


def lateness(progress: Progress, remedy: str) -> str:
    """Which records count as late, and why; `remedy` says how a log's would not."""
    late = [_late(it) for it in progress.outputs if it.late]
    if not late:
        return ""
    kept = "They are in their windows all the same, and flagged."
    return "\n".join((*late, f"{kept} {remedy}".rstrip(), ""))


def _late(it: Filled) -> str:
    share = f"All {it.records:,}" if it.late == it.records else f"{it.late:,} of {it.records:,}"
    times = f"{it.first_late:%Y-%m-%d %H:%M} to {it.last_late:%Y-%m-%d %H:%M}"
    return f"{share} records of {it.output.record_type.name} count as late: their times are past, {times}."


def how_to_go_on(
    state: Path, seconds: float, progress: Progress, filled: Sequence[WindowedOutput], *, good: bool
) -> str:
    """Where the state is, and what can be done with it; `filled` are the outputs that have windows."""
    if not good:
        return f"The demo took {seconds:.0f} s. Its logs are in {state}/log."
    steps = [*_queries(filled), *(f"windows {it.name}" for it in filled[-1:]), "reconcile", _UP]
    if progress.rejected:
        steps.append(_REJECTS)
    listed = "\n".join(f"  .venv/bin/headrace {step}" for step in steps)
    return f"The demo took {seconds:.0f} s. Its state is in {state}; go on with\n{listed}"


def _queries(filled: Sequence[WindowedOutput]) -> list[str]:
    """Of each record type one: what comes most often of its most varied key."""
    richest: dict[str, WindowedOutput] = {}
    for it in filled:
        known = richest.get(it.record_type.name)
        if it.keys and (known is None or _width(it) > _width(known)):
            richest[it.record_type.name] = it
    return [_most(it) for it in richest.values()]


def _most(it: WindowedOutput) -> str:
    key = it.table().dist_key
    count = next((measure.name for measure in it.measures if isinstance(measure, Count)), "records")
    return f'query "select {key}, sum({count}) from {it.name} group by {key} order by 2 desc limit 5"'  # noqa: S608  a person runs it; names are declared


def _width(it: WindowedOutput) -> int:
    """Of its widest key, in bytes."""
    return max(key.column(it.record_type).type.max_bytes or 0 for key in it.keys)
