from pathlib import Path

import pytest

from tests.docs.recipe import copy_tree, follow, run

COUNTED = """
from pathlib import Path
import headrace.schemas
from headrace.schemas.codec import decode
from headrace.schemas.registry import OUTPUTS
from headrace.schemas.targets.postgresql import create_table
raw = Path("headrace/schemas/examples/app_login.v1/good/plain.json").read_bytes()
assert headrace.schemas.__file__.startswith(str(Path.cwd()))
assert decode(raw).data.country == "NZ"
print(create_table(OUTPUTS["app_logins_5m"].table()))
"""


@pytest.mark.timeout(600)
def test_the_recipes_work_word_for_word(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path)
    follow("How to add a record type", tree)
    follow("How to add a windowed output", tree)
    (tree / "counted.py").write_text(COUNTED)
    ddl = run(".venv/bin/python counted.py", tree)
    follow("How to add a source", tree)
    assert '"milliseconds_p95"' in ddl
