"""Pictures as SVG, drawn without a screen: the tree, and how the foretold compares with what came."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from batch_jobs.model.measures import Bin
from batch_jobs.model.tree import Node, depth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEVEL, _ROW = 3.4, 0.62  # inches: a question's width, a leaf's height
_WRAP = 34  # characters of a line


def tree_figure(root: Node) -> "Figure":
    """The tree from left to right; a node is as red as its loans are bad."""
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second, and is an extra

    leaves = _leaves(root)
    figure = Figure(figsize=((depth(root) + 1) * _LEVEL, (leaves + 1) * _ROW))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-0.1, depth(root) + 0.9), ylim=(leaves, -1))
    axes.set_axis_off()
    _draw(axes, root, level=0, first=0, way="all", worst=_worst(root))
    return figure


def calibration_figure(bins: Sequence[Bin]) -> "Figure":
    """Foretold against what came, a dot per bin; on the line, both are the same."""
    from matplotlib.figure import Figure  # noqa: PLC0415  the same

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot(xlabel="foretold share of defaults", ylabel="share that defaulted")
    most = max((max(one.foretold, one.came) for one in bins), default=1.0) * 1.1
    axes.plot((0, most), (0, most), color="0.7", linewidth=1)
    sizes = [1000 * one.loans / sum(other.loans for other in bins) for one in bins]
    axes.scatter([one.foretold for one in bins], [one.came for one in bins], s=sizes, alpha=0.6)
    axes.xaxis.set_major_formatter("{x:.1%}")
    axes.yaxis.set_major_formatter("{x:.1%}")
    return figure


def svg(figure: "Figure") -> bytes:
    """The same picture is the same file; text stays text."""
    from matplotlib import rc_context  # noqa: PLC0415  the same

    out = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "headrace"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _leaves(node: Node) -> int:
    return sum(_leaves(child) for _, child in node.children()) or 1


def _worst(node: Node) -> float:
    return max([node.score, *(_worst(child) for _, child in node.children())])


def _draw(axes: "Axes", node: Node, *, level: int, first: int, way: str, worst: float) -> float:
    """Draw the node and all below it; leaves take rows from `first` on. The height that it was drawn at."""
    heights, row = [], first
    for name, child in node.children():
        heights.append(_draw(axes, child, level=level + 1, first=row, way=name, worst=worst))
        row += _leaves(child)
    height = sum(heights) / len(heights) if heights else float(first)
    for end in heights:
        axes.plot(
            (level + 0.4, level + 0.55, level + 0.95), (height, end, end), color="0.6", linewidth=1, zorder=1
        )
    red = node.score / worst if worst else 0.0
    axes.text(
        level,
        height,
        f"{_wrapped(way)}\n{node.told()}",
        fontsize=8,
        va="center",
        parse_math=False,  # a $ in the data is one
        bbox={"boxstyle": "round", "facecolor": (1, 1 - 0.5 * red, 1 - 0.5 * red), "edgecolor": "0.6"},
    )
    return height


def _wrapped(text: str) -> str:
    """In two lines at most."""
    if len(text) <= _WRAP:
        return text
    head, _, tail = text[:_WRAP].rpartition(" ")
    rest = f"{tail}{text[_WRAP:]}"
    return f"{head}\n{rest if len(rest) <= _WRAP else rest[: _WRAP - 1] + '…'}"
