"""`make bench`: every bench in turn, each figure in a table, and all of them as one JSON object."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

BENCHES = {
    "decode": "decode and validate: records/s and core, and how many times faster than the others",
    "producer": "from records in memory over the spool into a local sink: records/s and core, against boto3",
    "stream": "the stream job: three outputs and the ledger, against reading, decoding and counting alone",
    "latency": "from a line written to a producer until a query shows it",
}


def main() -> int:
    """Run each bench in a process of its own; 1 when one missed a goal."""
    console = Console(file=sys.stdout)
    everything: dict[str, Any] = {}
    missed = []
    for name, title in BENCHES.items():
        command = [sys.executable, "-m", f"bench.{name}", "--json"]
        with console.status(f"{name}: {title}"):
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        figures = json.loads(done.stdout)
        console.print(f"\n{name}: {title}", highlight=False, soft_wrap=True)
        console.print(table(figures))
        everything[name] = figures
        missed += [name] if done.returncode else []
    sys.stdout.write(f"\n{json.dumps(everything)}\n")
    if missed:
        console.print(f"goals missed: {', '.join(missed)}")
    return int(bool(missed))


def table(figures: dict[str, Any]) -> Table:
    """One row per figure, with its goal where it has one."""
    goals = figures.get("goals", {})
    shown = Table(box=None)
    for head, justify in (("figure", "left"), ("value", "right"), ("goal", "right")):
        shown.add_column(head, justify=justify)  # type: ignore[arg-type]  # the two literals above
    for name, value in flat({key: value for key, value in figures.items() if key != "goals"}):
        key = name[-1] if name[0] != "records_per_second" else ""
        shown.add_row(
            ": ".join(name).replace("_", " "), f"{value:,}", f"{goals[key]:,}" if key in goals else ""
        )
    return shown


def flat(figures: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """The leaves of nested figures, each with its path."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from flat(value, (*above, name))
        else:
            yield (*above, name), value


if __name__ == "__main__":
    sys.exit(main())
