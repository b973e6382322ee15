import pytest

from batch_jobs.model.split import Counted, Sides, split
from headrace.errors import ModelRefused


def book(**bad: int) -> list[Counted]:
    return [Counted(vintage, 100, count) for vintage, count in bad.items()]


def names(sides: Sides) -> tuple[str, str]:
    return tuple(" ".join(one.vintage for one in side) for side in (sides.training, sides.test))  # type: ignore[return-value]


def test_the_newest_vintages_are_tested_on_about_a_third_of_the_loans() -> None:
    assert names(split(book(d=2, a=2, c=2, b=2))) == ("a b c", "d")
    assert names(split(book(a=2, b=2, c=2))) == ("a b", "c")


def test_each_side_has_loans_that_defaulted_and_loans_that_did_not() -> None:
    assert names(split(book(a=2, b=2, c=2, d=0))) == ("a b", "c d")
    assert names(split(book(a=0, b=0, c=0, d=2, e=2))) == ("a b c d", "e")
    assert names(split(book(a=2, b=2, c=2, d=100))) == ("a b", "c d")


def test_the_cut_can_be_said_and_need_not_be_a_vintage() -> None:
    assert names(split(book(a=2, c=2, e=2, g=2), "c")) == ("a", "c e g")
    assert names(split(book(a=2, c=2, e=2, g=2), "d")) == ("a c", "e g")


@pytest.mark.parametrize(
    ("vintages", "test_from"),
    [
        ({}, ""),
        ({"a": 2}, ""),
        ({"a": 0, "b": 2}, ""),
        ({"a": 2, "b": 100}, ""),
        ({"a": 2, "b": 2}, "a"),
        ({"a": 2, "b": 2}, "c"),
    ],
)
def test_without_both_sides_there_is_no_model(vintages: dict[str, int], test_from: str) -> None:
    with pytest.raises(ModelRefused, match="no vintages to train on"):
        split(book(**vintages), test_from)


def test_vintages_without_loans_count_for_nothing() -> None:
    assert names(split([*book(a=2, b=2), Counted("c", 0, 0)])) == ("a", "b")
