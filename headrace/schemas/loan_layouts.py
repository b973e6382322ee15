"""The columns of the loan files, in both layouts that are in circulation.

Source: Freddie Mac, Single-Family Loan-Level Dataset, file layout of July 2026 (`r47`), and that of January
2026 and before (`legacy`).
"""

from headrace.schemas.delimited import Cell, Layout
from headrace.schemas.records.loan_origination import LOAN_ORIGINATION
from headrace.schemas.records.loan_performance import LOAN_PERFORMANCE

Column = tuple[Cell, ...]


def _column(name: str, *nulls: str) -> Column:
    return (Cell(name, nulls=frozenset(nulls)),)


def _amount(name: str) -> Column:
    return (Cell(name, amount=True),)


def _or_blank(name: str) -> Column:
    """Blank is no in a legacy file; an r47 file says N."""
    return (Cell(name, words={"": "N"}),)


def _company(name: str, small: str) -> Column:
    return (Cell(name, words={small: "OTHER"}),)


_TERMS: tuple[Column, ...] = (
    _column("classic_fico", "9999"),
    _column("first_payment_date"),
    _column("first_time_homebuyer_indicator", "9"),
    _column("maturity_date"),
    _column("msa_or_md"),
    _column("mi_percent", "999"),  # 0 is no insurance
    _column("number_of_units", "99"),
    _column("occupancy_status", "9"),
    _column("original_cltv", "999"),
    _column("original_dti", "999"),
    _column("original_upb"),
    _column("original_ltv", "999"),
    _column("original_interest_rate"),
    _column("channel", "9"),
    _column("prepayment_penalty_indicator"),
    _column("amortization_type"),
    _column("property_state"),
    _column("property_type", "99"),
    (Cell("postal_code", nulls=frozenset({"000", "00000"}), first=3),),  # 028, and 02800 before
    _column("loan_identifier"),
    _column("loan_purpose", "9"),
    _column("original_loan_term"),
    _column("number_of_borrowers", "99"),
)
"""Columns 1 to 23 of an origination, the same in both layouts."""

_ENDING: tuple[Column, ...] = (
    _column("pre_harp_loan_sequence_number"),
    _column("special_eligibility_program", "9"),
    _or_blank("harp_indicator"),
    _column("property_valuation_method", "7", "9"),
    _column("interest_only_indicator"),
)

_STATUS: Column = (
    Cell("delinquency_months", nulls=frozenset({"XX", "RA"})),
    Cell("real_estate_owned", words={"RA": True}, otherwise=False),
)
_PROCEEDS: Column = (
    Cell("net_sales_proceeds", nulls=frozenset({"U"}), amount=True),
    Cell("net_sales_proceeds_unknown", words={"U": True}, otherwise=False),
)

_MONTH: tuple[Column, ...] = (
    _column("loan_identifier"),
    _column("period"),
    _column("current_actual_upb"),
    _STATUS,
    _column("loan_age"),
    _column("remaining_months_to_legal_maturity"),
    _column("defect_settlement_date"),
    _column("modification_flag"),
    _column("zero_balance_code"),
    _column("zero_balance_effective_date"),
    _column("current_interest_rate"),
    _column("current_non_interest_bearing_upb"),
    _column("ddlpi"),
    _amount("mi_recoveries"),
    _PROCEEDS,
    _amount("non_mi_recoveries"),
    _amount("total_expenses"),
    _amount("legal_costs"),
    _amount("maintenance_and_preservation_costs"),
    _amount("taxes_and_insurance"),
    _amount("miscellaneous_expenses"),
    _amount("actual_loss"),
    _column("cumulative_modification_costs"),
    _column("interest_rate_step_indicator"),
    (Cell("payment_deferral_flag", words={"Y": "C"}),),  # Y before, C since
    _column("eltv", "999"),
    _column("zero_balance_removal_upb"),
    _column("delinquent_accrued_interest"),  # sources disagree on its sign: kept as it is
    _column("delinquency_due_to_disaster"),
    _column("borrower_assistance_plan"),
    _column("current_period_modification_costs"),
    _column("current_interest_bearing_upb"),
)
"""Columns 1 to 32 of a month, the same in both layouts."""

LAYOUTS: dict[tuple[str, str], Layout] = {
    ("origination", "r47"): Layout(
        "r47",
        LOAN_ORIGINATION,
        (
            *_TERMS,
            _company("seller_name", "Other sellers"),
            _or_blank("super_conforming_flag"),
            *_ENDING,
            _column("vantagescore_4_0", "9999"),
        ),
    ),
    ("origination", "legacy"): Layout(
        "legacy",
        LOAN_ORIGINATION,
        (
            *_TERMS,
            _company("seller_name", "Other sellers"),
            _company("servicer_name", "Other servicers"),
            _or_blank("super_conforming_flag"),
            *_ENDING,
            _column("mi_cancellation_indicator", "9"),
        ),
    ),
    ("performance", "r47"): Layout(
        "r47",
        LOAN_PERFORMANCE,
        (
            *_MONTH,
            _column("mi_cancellation_indicator", "9"),
            _company("servicer_name", "Other servicers"),
            _column("bankruptcy_cramdown_costs"),
        ),
    ),
    ("performance", "legacy"): Layout("legacy", LOAN_PERFORMANCE, _MONTH),
}
"""By kind of file and name of the layout."""

FIELD_COUNTS: dict[tuple[str, int], str] = {
    (kind, len(layout.columns)): name for (kind, name), layout in LAYOUTS.items()
}
"""The layout of a file, by its kind and the number of its fields."""
