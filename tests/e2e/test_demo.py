import base64
from pathlib import Path

import pytest

from tests.e2e.laptop import Laptop
from tests.e2e.truth import Truth
from tests.e2e.windows import assert_windows_equal


@pytest.mark.spark
@pytest.mark.stack
@pytest.mark.timeout(600)
def test_the_demo_counts_every_line_of_a_real_log_and_its_proof_holds_afterwards(
    laptop: Laptop, truth: Truth, log: Path
) -> None:
    printed = laptop.headrace("demo", "--log", str(log))
    assert "balanced" in printed
    assert_windows_equal(laptop, truth)
    rejected = laptop.rows("select code, stage, encode(raw, 'base64') as raw from rejects")
    assert [base64.b64decode(row["raw"]).decode() for row in rejected] == truth.unreadable()
    assert {(row["stage"], row["code"]) for row in rejected} == {("producer", "unparsable_line")}
    report = laptop.reconcile("--all", code=0)
    (source,) = report["sources"]
    counts = {name: source[name] for name in ("sent", "counted", "rejected", "missing", "in_flight")}
    assert counts == {
        "sent": truth.good() + 1,
        "counted": truth.good(),
        "rejected": 1,
        "missing": 0,
        "in_flight": 0,
    }
