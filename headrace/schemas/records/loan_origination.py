"""`loan_origination.v1`: one mortgage as it was made, from the single-family loan-level dataset.

The union of two file layouts: `r47` (since July 2026) and `legacy` (October 2021 to January 2026). Source:
Freddie Mac, Single-Family Loan-Level Dataset, General User Guide and file layout of July 2026.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from headrace.schemas.limits import MONTH, choice, exact, shaped
from headrace.schemas.record_type import RecordType

LoanId = Annotated[str, shaped(r"[FA][0-9]{2}Q[1-4][0-9]{7}|[FA]1[0-9]{2}Q[1-4][0-9]{6}", 12)]
"""F fixed or A adjustable rate, year and quarter of origination, a number."""

LayoutName = Annotated[str, choice("legacy", "r47")]
Flag = Annotated[str, choice("Y", "N")]
Cancellation = Annotated[str, choice("Y", "N", "7")]
Month = Annotated[date, MONTH]
Score = Annotated[int, Meta(ge=300, le=850)]
Ratio = Annotated[int, Meta(ge=1, le=998)]
Company = Annotated[str, Meta(max_length=60)]


class LoanOrigination(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The event time is the envelope's. Null is what a file leaves blank, or says with a code for unknown."""

    layout: Annotated[LayoutName, Meta(description="the file layout that it came in")]
    loan_identifier: Annotated[LoanId, Meta(description="the loan")]
    classic_fico: Annotated[Score | None, Meta(description="credit score, Classic FICO")] = None
    first_payment_date: Annotated[Month, Meta(description="month of the first payment")]
    first_time_homebuyer_indicator: Annotated[
        Flag | None, Meta(description="Y: no home was owned in the three years before")
    ] = None
    maturity_date: Annotated[Month | None, Meta(description="month of the last payment")] = None
    msa_or_md: Annotated[
        Annotated[str, shaped(r"[0-9]{5}", 5)] | None,
        Meta(description="metropolitan statistical area or division; null: none, or unknown"),
    ] = None
    mi_percent: Annotated[
        Annotated[int, Meta(ge=0, le=55)] | None, Meta(description="mortgage insurance, %; 0: none")
    ] = None
    number_of_units: Annotated[
        Annotated[int, Meta(ge=1, le=4)] | None, Meta(description="dwellings in the property")
    ] = None
    occupancy_status: Annotated[
        Annotated[str, choice("P", "I", "S")] | None,
        Meta(description="P primary residence, I investment, S second home"),
    ] = None
    original_cltv: Annotated[Ratio | None, Meta(description="combined loan to value, %")] = None
    original_dti: Annotated[
        Annotated[int, Meta(ge=0, le=65)] | None, Meta(description="debt to income, %")
    ] = None
    original_upb: Annotated[
        Annotated[Decimal, exact(12, 2, low="0", high="9999999999.99")],
        Meta(description="unpaid balance when made, dollars"),
    ]
    original_ltv: Annotated[Ratio | None, Meta(description="loan to value, %")] = None
    original_interest_rate: Annotated[
        Annotated[Decimal, exact(6, 3, low="0", high="100")], Meta(description="note rate, % a year")
    ]
    channel: Annotated[
        Annotated[str, choice("R", "B", "C", "T")] | None,
        Meta(description="R retail, B broker, C correspondent, T third party unspecified"),
    ] = None
    prepayment_penalty_indicator: Annotated[
        Flag | None, Meta(description="Y: paying early costs a penalty")
    ] = None
    amortization_type: Annotated[
        Annotated[str, choice("FRM", "ARM")] | None, Meta(description="FRM fixed rate, ARM adjustable rate")
    ] = None
    property_state: Annotated[
        Annotated[str, shaped(r"[A-Z]{2}", 2)] | None, Meta(description="state or territory, postal code")
    ] = None
    property_type: Annotated[
        Annotated[str, choice("SF", "CO", "PU", "MH", "CP")] | None,
        Meta(
            description="SF single family, CO condominium, PU planned unit, MH manufactured, CP cooperative"
        ),
    ] = None
    postal_code: Annotated[
        Annotated[str, shaped(r"[0-9]{3}", 3)] | None, Meta(description="first three digits of the ZIP code")
    ] = None
    loan_purpose: Annotated[
        Annotated[str, choice("P", "C", "N", "R")] | None,
        Meta(description="P purchase, C cash-out refinance, N no cash out, R refinance unspecified"),
    ] = None
    original_loan_term: Annotated[
        Annotated[int, Meta(ge=1, le=999)] | None, Meta(description="months from first payment to maturity")
    ] = None
    number_of_borrowers: Annotated[
        Annotated[int, Meta(ge=1, le=10)] | None,
        Meta(description="borrowers; before the second quarter of 2018, 2 means two or more"),
    ] = None
    seller_name: Annotated[Company | None, Meta(description="who sold the loan; OTHER: a small seller")] = (
        None
    )
    servicer_name: Annotated[
        Company | None, Meta(description="who services it, of the last reported month; legacy files only")
    ] = None
    super_conforming_flag: Annotated[Flag | None, Meta(description="Y: above the conforming limit")] = None
    pre_harp_loan_sequence_number: Annotated[
        LoanId | None, Meta(description="the loan that a relief refinance replaced")
    ] = None
    special_eligibility_program: Annotated[
        Annotated[str, choice("H", "F", "R")] | None,
        Meta(description="H Home Possible, F HFA Advantage, R Refi Possible"),
    ] = None
    harp_indicator: Annotated[Flag | None, Meta(description="Y: relief refinance with LTV above 80 %")] = None
    property_valuation_method: Annotated[
        Annotated[int, Meta(ge=1, le=4)] | None,
        Meta(description="1 waiver, 2 appraisal, 3 other, 4 waiver with property data report"),
    ] = None
    interest_only_indicator: Annotated[Flag | None, Meta(description="Y: interest only at first")] = None
    mi_cancellation_indicator: Annotated[
        Cancellation | None, Meta(description="insurance cancelled; 7: does not apply; legacy files only")
    ] = None
    vantagescore_4_0: Annotated[
        Score | None, Meta(description="credit score, VantageScore 4.0; r47 files only")
    ] = None


LOAN_ORIGINATION = RecordType(
    name="loan_origination.v1",
    data=LoanOrigination,
    description="One mortgage as it was made.",
    partition_key="loan_identifier",
)
