"""Which vintages a tree learns from, and on which newer ones it is tested."""

from collections.abc import Sequence

import msgspec

from headrace.errors import ModelRefused

TEST_SHARE = 0.3  # of the loans; whole vintages come as near to it as they do


class Counted(msgspec.Struct, frozen=True):
    """The loans of a vintage whose fate is known, and how many of them defaulted."""

    vintage: str
    loans: int
    bad: int


class Sides(msgspec.Struct, frozen=True):
    """The vintages on either side of the cut, oldest first."""

    training: tuple[Counted, ...]
    test: tuple[Counted, ...]

    @property
    def test_from(self) -> str:
        """The first vintage that is only tested on."""
        return self.test[0].vintage


def split(counted: Sequence[Counted], test_from: str = "") -> Sides:
    """Cut where it is said, else where about 30 % of the loans are tested on. Raises ModelRefused.

    Loans are not split at random: the same months would then lie on both sides. Each side has loans that
    defaulted and loans that did not.
    """
    vintages = sorted((one for one in counted if one.loans), key=lambda one: one.vintage)
    cuts = [
        Sides(tuple(vintages[:at]), tuple(vintages[at:]))
        for at in range(1, len(vintages))
        if not test_from or vintages[at - 1].vintage < test_from <= vintages[at].vintage
    ]
    possible = [cut for cut in cuts if _is_mixed(cut.training) and _is_mixed(cut.test)]
    if not possible:
        raise ModelRefused(
            f"no vintages to train on and newer ones to test on{f' from {test_from}' if test_from else ''}, "
            f"each with loans that defaulted and loans that did not: there is {_told(vintages)}"
        )
    loans = sum(one.loans for one in vintages)
    return min(possible, key=lambda cut: abs(sum(one.loans for one in cut.test) - TEST_SHARE * loans))


def _is_mixed(side: Sequence[Counted]) -> bool:
    loans, bad = sum(one.loans for one in side), sum(one.bad for one in side)
    return 0 < bad < loans


def _told(vintages: Sequence[Counted]) -> str:
    return ", ".join(f"{one.vintage} ({one.bad:,} of {one.loans:,})" for one in vintages) or "none"
