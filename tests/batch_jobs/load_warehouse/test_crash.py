"""A load that is killed anywhere, and run again, leaves what one leaves that was not."""

import signal
import subprocess
import sys

import pytest

from batch_jobs.manifest import write_output
from batch_jobs.storage import Storage
from headrace.warehouse.probe import BEFORE_COMMIT
from tests.batch_jobs.load_warehouse.conftest import Loaders
from tests.batch_jobs.load_warehouse.partitions import rows, truth, write
from tests.warehouse.queries import Sql

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.xdist_group("load_warehouse")]


@pytest.mark.parametrize("point", ["within_copy", BEFORE_COMMIT])
def test_killed_anywhere_and_run_again_it_is_loaded_once(
    loaders: Loaders, storage: Storage, url: str, sql: Sql, point: str
) -> None:
    old, new = write(storage, rows()), write(storage, rows(seed=1), bad_lines=[b"a", b"a"])
    loaders().load(old)
    write_output(storage, new)

    program = [sys.executable, "-m", "tests.batch_jobs.load_warehouse.dying"]
    done = subprocess.run([*program, url, storage.root, new.folder, point], check=False, timeout=60)

    assert done.returncode == -signal.SIGKILL
    query = "select * from loan_performance"
    assert sorted(sql(query), key=repr) == truth(storage, old)
    assert not loaders().load(new).already
    assert sorted(sql(query), key=repr) == truth(storage, new)
    assert sql("select raw, seen from rejects") == [(b"a", 2)]
    assert sql("select input_sha256 from batch_loads") == [(new.input_sha256,)]
