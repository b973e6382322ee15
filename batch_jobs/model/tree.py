"""A trained tree as plain values, and in words: questions name columns and their values, not numbers."""

from collections.abc import Iterator

import msgspec

UNKNOWN = "(unknown)"
"""A category that is null, or that no training loan had."""

_MOST_NAMED = 6  # categories of a question that are named; the other way is then named or counted


class Question(msgspec.Struct, frozen=True):
    """`column <= threshold`, or `column` is one of `categories`; yes is left, no is right."""

    column: str
    threshold: float | None
    categories: tuple[str, ...]
    others: tuple[str, ...]

    def yes(self) -> str:
        """The way left, in words."""
        if self.threshold is not None:
            return f"{self.column} <= {_number(self.threshold)}"
        return f"{self.column} is {_listed(self.categories)}"

    def no(self) -> str:
        """The way right, in words."""
        if self.threshold is not None:
            return f"{self.column} > {_number(self.threshold)}"
        return f"{self.column} is {_listed(self.others)}"


class Node(msgspec.Struct, frozen=True):
    """Training loans that came here; `score` is the probability at the book's level.

    `question`, `left` and `right` are all there, or, in a leaf, none.
    """

    loans: int
    score: float
    question: Question | None = None
    left: "Node | None" = None
    right: "Node | None" = None

    def children(self) -> "tuple[tuple[str, Node], ...]":
        """Each child, behind the way to it."""
        if self.question is None or self.left is None or self.right is None:
            return ()
        return (self.question.yes(), self.left), (self.question.no(), self.right)

    def told(self) -> str:
        """What came here."""
        return f"{self.loans:,} loan{'' if self.loans == 1 else 's'}, {self.score:.2%}"


def size(node: Node) -> int:
    """How many nodes the tree has."""
    return 1 + sum(size(child) for _, child in node.children())


def depth(node: Node) -> int:
    """How many questions lead to the furthest leaf."""
    return max((1 + depth(child) for _, child in node.children()), default=0)


def words(root: Node) -> str:
    """The tree as text, a line per node."""
    return "\n".join((f"all: {root.told()}", *_branches(root, ""))) + "\n"


def _branches(node: Node, indent: str) -> Iterator[str]:
    for number, (way, child) in enumerate(node.children()):
        last = number == 1
        yield f"{indent}{'└─' if last else '├─'} {way}: {child.told()}"
        yield from _branches(child, indent + ("   " if last else "│  "))


def _listed(categories: tuple[str, ...]) -> str:
    named = ", ".join(categories[:_MOST_NAMED])
    more = len(categories) - _MOST_NAMED
    return f"{named} or {more} more" if more > 0 else named


def _number(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".")
