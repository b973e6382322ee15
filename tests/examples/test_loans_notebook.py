"""The notebook as it lies in the tree, executed on a small book and a tree made by hand; no Spark."""

import base64
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from batch_jobs.model import picture, store
from batch_jobs.model.features import FEATURES
from batch_jobs.model.measures import CAVEAT, ScoreGroup, measure
from batch_jobs.model.settings import ModelSettings
from batch_jobs.model.split import Counted, Sides
from batch_jobs.model.store import Model
from batch_jobs.model.tree import Node, Question
from batch_jobs.storage import Storage
from tests.batch_jobs.model.book import LOANS, VINTAGES, YOUNG, write_book

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples/loans.ipynb"


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A root with both tables and a published model."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    storage = Storage(str(tmp_path / "root"), {})
    originations, performance = write_book(storage)
    counted = tuple(Counted(vintage, LOANS, LOANS // 10) for vintage in VINTAGES)
    question = Question("classic_fico", 640.5, (), ())
    measures = measure([ScoreGroup(0.2, LOANS, LOANS // 5), ScoreGroup(0.05, LOANS, LOANS // 20)])
    model = Model(
        name=store.NAME,
        version="0123456789abcdef",
        trained_at="2026-11-21T12:00:00+00:00",
        spark_version="4.1.4",
        settings=ModelSettings(),
        sources=store.sources_of([*originations, *performance]),
        features=FEATURES,
        left_out={},
        sides=Sides(counted[:4], counted[4:]),
        passed_over={YOUNG: "the fate of no loan is known"},
        weight=9.0,
        training=measures,
        test=measures,
        importances={"classic_fico": 0.75, "property_state": 0.25, "original_dti": 0.0},
        tree=Node(2 * LOANS, 0.125, question, Node(LOANS, 0.2), Node(LOANS, 0.05)),
        pipeline="nowhere",
    )
    for name, figure in (
        ("tree", picture.tree_figure(model.tree)),
        ("calibration", picture.calibration_figure(measures.calibration)),
    ):
        storage.write(f"{model.folder}/{name}.svg", picture.svg(figure))
    store.publish(storage, model)
    return storage


def test_the_notebook_is_committed_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells  # type: ignore[no-untyped-call]
    assert [cell.id for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


def test_every_plot_of_the_notebook_is_drawn(storage: Storage, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    home = ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
    environ = dict(os.environ) | {name: str(tmp_path / name) for name in home}
    environ |= {"HEADRACE_BATCH_ROOT": storage.root, "PYTHONPATH": str(ROOT)}
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environ)
    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    for name in ("curves-code", "fico-code", "roll-code", "asks"):
        drawn = [output.data["image/png"] for output in outputs[name] if output.output_type == "display_data"]
        assert [base64.b64decode(one)[:4] for one in drawn] == [b"\x89PNG"], name
    assert "classic_fico &lt;= 640.5" in outputs["tree-code"][0].data["image/svg+xml"]
    printed, shown = outputs["calibration-code"]
    assert CAVEAT in printed.text
    assert "AUC 0.671" in printed.text
    assert "image/svg+xml" in shown.data
    errors = [output for found in outputs.values() for output in found if output.get("name") == "stderr"]
    assert errors == []
