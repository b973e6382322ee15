"""States, their share of the book, and the first three digits of their postal codes."""

from random import Random
from typing import NamedTuple

from batch_jobs.synthetic.mix import Mix


class Place(NamedTuple):
    """A state with its share in permille and its first and last three digits."""

    share: float
    first: int
    last: int


STATES = {
    "CA": Place(150, 900, 961),
    "FL": Place(75, 320, 349),
    "TX": Place(60, 750, 799),
    "IL": Place(50, 600, 629),
    "NY": Place(40, 100, 149),
    "VA": Place(35, 220, 246),
    "WA": Place(34, 980, 994),
    "AZ": Place(34, 850, 865),
    "NC": Place(33, 270, 289),
    "NJ": Place(32, 70, 89),
    "OH": Place(32, 430, 458),
    "GA": Place(32, 300, 319),
    "MI": Place(31, 480, 499),
    "PA": Place(31, 150, 196),
    "CO": Place(29, 800, 816),
    "MA": Place(27, 10, 27),
    "MD": Place(26, 206, 219),
    "MN": Place(25, 550, 567),
    "WI": Place(23, 530, 549),
    "MO": Place(22, 630, 658),
    "OR": Place(20, 970, 979),
    "IN": Place(19, 460, 479),
    "TN": Place(17, 370, 385),
    "SC": Place(15, 290, 299),
    "NV": Place(15, 889, 898),
    "UT": Place(13, 840, 847),
    "CT": Place(13, 60, 69),
    "KY": Place(12, 400, 427),
    "AL": Place(11, 350, 369),
    "LA": Place(10, 700, 714),
    "IA": Place(9, 500, 528),
    "KS": Place(8, 660, 679),
    "OK": Place(8, 730, 749),
    "ID": Place(7, 832, 838),
    "NM": Place(7, 870, 884),
    "AR": Place(6, 716, 729),
    "NH": Place(6, 30, 38),
    "NE": Place(6, 680, 693),
    "HI": Place(5, 967, 968),
    "ME": Place(4, 39, 49),
    "RI": Place(4, 28, 29),
    "MS": Place(4, 386, 397),
    "DE": Place(4, 197, 199),
    "MT": Place(4, 590, 599),
    "DC": Place(3, 200, 205),
    "WV": Place(3, 247, 268),
    "SD": Place(2, 570, 577),
    "VT": Place(2, 50, 59),
    "WY": Place(2, 820, 831),
    "ND": Place(2, 580, 588),
    "AK": Place(2, 995, 999),
    "PR": Place(2, 6, 9),
    "GU": Place(0.5, 969, 969),
    "VI": Place(0.5, 8, 8),
}
_MIX = Mix({state: place.share for state, place in STATES.items()})


def draw_place(rng: Random) -> tuple[str, str, str]:
    """(state, first three digits of the postal code, metropolitan area); 000 and blank are unknown.

    One postal code in 500 is unknown; one area in six is blank.
    """
    state = _MIX.draw(rng)
    digits = rng.randint(STATES[state].first, STATES[state].last)
    if rng.random() < 1 / 500:
        digits = 0
    area = "" if digits % 6 == 0 else str(10180 + digits * 40 % 39500)
    return state, f"{digits:03d}", area
