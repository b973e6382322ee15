from pathlib import Path

import pytest

from tests.e2e import feeds
from tests.e2e.laptop import Laptop
from tests.e2e.truth import CHANGES, PEOPLE, Truth
from tests.e2e.windows import assert_edits_equal, assert_signups_equal


@pytest.mark.spark
@pytest.mark.stack
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("counting")
def test_files_of_feeds_become_windows_equal_to_the_truth_and_the_books_balance(
    counting: Laptop, tmp_path: Path
) -> None:
    changes, people = tmp_path / "changes.ndjson", tmp_path / "people.ndjson"
    changes.write_bytes(b"\n".join(feeds.changes(900, seed=3)) + b"\n")
    people.write_bytes(b"\n".join(feeds.people(400, seed=4)) + b"\n")
    edits, signups = Truth(changes, CHANGES), Truth(people, PEOPLE)
    counting.headrace("produce", "file", str(changes), "--format", "recentchange", "--name", "wiki")
    counting.headrace("produce", "file", str(people), "--format", "random-user", "--name", "people")
    report = counting.reconcile("--wait", "90", code=0)
    assert_edits_equal(counting, edits)
    assert_signups_equal(counting, signups)
    counts = {
        source["source"].split("/")[0]: (source["counted"], source["rejected"])
        for source in report["sources"]
        if not source["source"].startswith("stranger/")
    }
    assert counts == {
        "wiki": (edits.good(), len(feeds.NO_CHANGES)),
        "people": (signups.good(), len(feeds.NO_PEOPLE)),
    }
