"""One loan at its closing: what the origination file says of it.

Null codes and their rates: DTI 3 %, FICO 1 in 1,200, channel, purpose, occupancy, first-time buyer 1 in 2,000
each; LTV, CLTV, MI, units, property type and borrowers 1 in 2,500 each (rarer in real files: raised so that
a small book has them). What came later is null before its time: super-conforming from 2008Q4, HARP 2009Q2 to
2018Q4 (one loan in ten; its DTI is null), VantageScore from 2013Q2, special programmes from 2015, valuation
methods from 2017 (4 from 2022). All loans are FRM without an interest-only period, as in the Standard set.
"""

from random import Random
from typing import NamedTuple

from batch_jobs.synthetic import calendar, economy
from batch_jobs.synthetic.mix import Mix, chance
from batch_jobs.synthetic.places import draw_place

NULL_SCORE, NULL_3, NULL_2 = 9999, 999, 99


class Loan(NamedTuple):
    """Values as R47 codes them; `fico`, `cltv` and `dti` are the true ones, also where the file has null."""

    identifier: str
    number: int
    quarter: int
    fico: int
    cltv: int
    dti: int
    classic_fico: int
    first_payment: int
    first_time_buyer: str
    area: str
    mi_percent: int
    units: int
    occupancy: str
    original_cltv: int
    original_dti: int
    upb: int  # dollars
    original_ltv: int
    rate: int  # thousandths of a percent
    channel: str
    prepayment_penalty: str
    state: str
    property_type: str
    postal_code: str
    purpose: str
    term: int
    borrowers: int
    seller: str
    super_conforming: str
    pre_harp: str
    programme: str
    harp: str
    valuation: int | None
    vantage: int


_CHANNEL = Mix({"R": 50, "B": 22, "C": 24, "T": 4, "9": 0.05})
_PURPOSE = Mix({"P": 43, "C": 30, "N": 26, "R": 1, "9": 0.05})
_OCCUPANCY = Mix({"P": 90, "I": 6, "S": 4, "9": 0.05})
_PROPERTY = Mix({"SF": 72, "PU": 17, "CO": 9.5, "MH": 1, "CP": 0.5, "99": 0.04})
_UNITS = Mix({1: 97, 2: 2, 3: 0.5, 4: 0.5, NULL_2: 0.04})
_TERM = Mix({360: 74, 180: 15, 240: 5, 300: 2, 120: 2, 348: 1, 480: 1})
_LTV = Mix({80: 26, 95: 6, 90: 8, 75: 6, 70: 6, 100: 2, 0: 46})  # 0: anywhere
_MI = Mix({25: 40, 30: 30, 12: 15, 35: 8, 6: 5, 18: 2})
_MANY = Mix({2: 95, 3: 3, 4: 1.5, 5: 0.2, 6: 0.1, 7: 0.05, 8: 0.05, 9: 0.05, 10: 0.05})
_SELLER = Mix(
    {"OTHER": 26.0} | {f"SELLER {n:02d}": 36 / (n + 1) for n in range(1, 25)} | {'"SELLER" 25': 0.5}
)
_PROGRAMME = Mix({"": 88, "H": 9, "F": 2, "R": 1})
_VALUATION = Mix({1: 20, 2: 71, 3: 4, 4: 3, None: 2})
_VALUATION_BEFORE_PDR = Mix({1: 20, 2: 74, 3: 4, None: 2})
_INSURED = 80  # percent of LTV above which there is mortgage insurance
_RARE = 1 / 2500


def draw_loan(rng: Random, number: int, quarter: int, identifier: str) -> Loan:
    """The loan of this stream; `number` counts over the whole book."""
    year = quarter // 4
    first_payment = 3 * quarter + rng.randint(2, 4)
    fico = min(max(round(rng.gauss(722, 62)), 300), 850)
    is_harp = calendar.HARP <= quarter < calendar.HARP_ENDED and chance(rng, 0.1)
    purpose = "N" if is_harp else _PURPOSE.draw(rng)
    ltv = rng.randint(81, 105) if is_harp else _LTV.draw(rng) or round(100 - rng.betavariate(1.6, 2.2) * 92)
    cltv = min(ltv + (rng.randint(1, 20) if chance(rng, 0.14) else 0), 200)  # a second lien
    dti = min(max(round(rng.gauss(36, 12)), 1), 65)
    borrowers = 1 if chance(rng, 0.46) else 2
    occupancy, channel = _OCCUPANCY.draw(rng), _CHANNEL.draw(rng)
    state, postal_code, area = draw_place(rng)
    dear = (722 - fico) / 400 + (cltv - 75) / 300 + (0.25 if occupancy == "I" else 0)
    rate = max(round((economy.MARKET_RATE[year] + rng.gauss(0, 0.22) + dear) * 8) * 125, 1500)
    shown = _shown(rng, fico, cltv, ltv, dti, is_harp=is_harp)
    if quarter >= calendar.MANY_BORROWERS and borrowers > 1:
        borrowers = _MANY.draw(rng)
    return Loan(
        identifier=identifier,
        number=number,
        quarter=quarter,
        fico=fico,
        cltv=cltv,
        dti=dti,
        classic_fico=shown[0],
        first_payment=first_payment,
        first_time_buyer=_first_time(rng, purpose),
        area=area,
        mi_percent=_insurance(rng, ltv),
        units=_UNITS.draw(rng),
        occupancy=occupancy,
        original_cltv=shown[1],
        original_dti=shown[3],
        upb=1000 * min(max(round(rng.lognormvariate(5.15, 0.5)), 10), 417),
        original_ltv=shown[2],
        rate=rate,
        channel=channel,
        prepayment_penalty="Y" if chance(rng, 1 / 800) else "N",
        state=state,
        property_type=_PROPERTY.draw(rng),
        postal_code=postal_code,
        purpose=purpose,
        term=_TERM.draw(rng),
        borrowers=NULL_2 if chance(rng, _RARE) else borrowers,
        seller=_SELLER.draw(rng),
        super_conforming="Y" if quarter >= calendar.SUPER_CONFORMING and chance(rng, 0.03) else "N",
        pre_harp=_earlier(rng, quarter) if is_harp else "",
        programme=_PROGRAMME.draw(rng) if quarter >= calendar.PROGRAMMES else "",
        harp="Y" if is_harp else "N",
        valuation=_valuation(rng, quarter),
        vantage=_vantage(rng, fico, quarter),
    )


def _shown(rng: Random, fico: int, cltv: int, ltv: int, dti: int, *, is_harp: bool) -> tuple[int, ...]:
    """FICO, CLTV, LTV and DTI as the file has them."""
    null_ltv = chance(rng, _RARE)
    return (
        NULL_SCORE if chance(rng, 1 / 1200) else fico,
        NULL_3 if null_ltv or chance(rng, _RARE) else cltv,
        NULL_3 if null_ltv else ltv,
        NULL_3 if is_harp or chance(rng, 0.03) else dti,
    )


def _first_time(rng: Random, purpose: str) -> str:
    if chance(rng, 1 / 2000):
        return "9"
    return "Y" if purpose == "P" and chance(rng, 0.27) else "N"


def _insurance(rng: Random, ltv: int) -> int:
    if chance(rng, _RARE):
        return NULL_3
    return _MI.draw(rng) if ltv > _INSURED else 0


def _earlier(rng: Random, quarter: int) -> str:
    """The id of the loan that a relief refinance replaced; one in three in the older form."""
    vintage = calendar.vintage_of(quarter - rng.randint(8, 24))[2:]
    number = rng.randint(1, 299999)
    return f"F1{vintage}{number:06d}" if chance(rng, 1 / 3) else f"F{vintage}{number:07d}"


def _valuation(rng: Random, quarter: int) -> int | None:
    if quarter < calendar.VALUATION:
        return None
    return (_VALUATION if quarter >= calendar.ACE_PDR else _VALUATION_BEFORE_PDR).draw(rng)


def _vantage(rng: Random, fico: int, quarter: int) -> int:
    if quarter < calendar.VANTAGESCORE or chance(rng, 0.01):
        return NULL_SCORE
    return min(max(round(fico + rng.gauss(4, 22)), 300), 850)
