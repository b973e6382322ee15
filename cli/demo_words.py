"""What a demo says at its end."""

from pathlib import Path

from cli.demo_progress import Progress

_NEXT_STEPS = (
    'query "select path, sum(requests) from web_paths_5m group by path order by 2 desc limit 5"',
    "windows web_visitors_15m",
    "reconcile",
    "up    # the stack again, in the background, on this data",
)
_REJECTS = 'query "select code, errors, raw from rejects"    # what was rejected, whole, and why'


def lateness(progress: Progress, *, rebased: bool) -> str:
    """Why records count as late, when they do: a log's times are those at which it was written."""
    if not progress.late or progress.first is None or progress.newest is None:
        return ""
    share = "all" if progress.late == progress.counted else f"{progress.late:,} of {progress.counted:,}"
    dates = f"{progress.first:%Y-%m-%d} to {progress.newest:%Y-%m-%d}"
    remedy = "" if rebased else " REBASE=now moves the log's times to now."
    return (
        f"The log's times, {dates}, are past, so {share} records count as late:\n"
        f"they are in their windows all the same, and flagged.{remedy}\n"
    )


def how_to_go_on(state: Path, seconds: float, progress: Progress, *, good: bool) -> str:
    """Where the state is, and what can be done with it."""
    if not good:
        return f"The demo took {seconds:.0f} s. Its logs are in {state}/log."
    rejected = (_REJECTS,) if progress.rejected else ()
    steps = "\n".join(f"  .venv/bin/headrace {step}" for step in (*_NEXT_STEPS, *rejected))
    return f"The demo took {seconds:.0f} s. Its state is in {state}; go on with\n{steps}"
