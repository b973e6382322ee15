from xml.etree import ElementTree as ET

import numpy as np
import pytest

from batch_jobs.model import picture
from batch_jobs.model.measures import Bin
from batch_jobs.model.tree import Node, Question, words

LONG = ("CA", "FL", "NV", "OH", "TX", "AZ", "MI", "GA", "IL", "NJ")


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.getbasetemp() / "matplotlib"))


def full(levels: int) -> Node:
    """A tree with every leaf, and questions as long as they come."""
    if levels == 0:
        return Node(12_345_678, 0.1234)
    question = Question("first_time_homebuyer_indicator", None, LONG, LONG[::-1])
    return Node(12_345_678, 0.1234, question, full(levels - 1), full(levels - 1))


def test_the_picture_holds_every_question_and_count_as_text() -> None:
    states = Question("property_state", None, ("FL", "NV"), ("CA", "OH"))
    tree = Node(1000, 0.0125, states, Node(200, 0.05), Node(800, 0.0031))
    texts = {element.text for element in ET.fromstring(picture.svg(picture.tree_figure(tree))).iter()}
    for line in words(tree).splitlines():
        way, _, told = line.lstrip("│├└─ ").partition(": ")
        assert {way, told} <= texts


def test_the_same_tree_is_the_same_file() -> None:
    drawn = [picture.svg(picture.tree_figure(full(2))) for _ in range(2)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("levels", [0, 4])
def test_no_box_lies_on_another_or_outside(levels: int) -> None:
    figure = picture.tree_figure(full(levels))
    figure.draw_without_rendering()
    boxes = [box.get_window_extent() for text in figure.axes[0].texts if (box := text.get_bbox_patch())]
    assert len(boxes) == 2 ** (levels + 1) - 1
    overlaps = [(a, b) for at, a in enumerate(boxes) for b in boxes[:at] if a.overlaps(b)]
    assert overlaps == []
    width, height = figure.bbox.max
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)


def test_the_calibration_has_a_dot_per_bin() -> None:
    figure = picture.calibration_figure([Bin(900, 0.01, 0.012), Bin(100, 0.1, 0.07)])
    assert np.asarray(figure.axes[0].collections[0].get_offsets()).tolist() == [[0.01, 0.012], [0.1, 0.07]]
