"""What a tree may know of a loan, and, column by column, why it may not know the rest."""

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812  its name everywhere

NUMERIC = (
    "classic_fico",
    "mi_percent",
    "number_of_units",
    "original_cltv",
    "original_dti",
    "original_upb",
    "original_ltv",
    "original_interest_rate",
    "original_loan_term",
    "number_of_borrowers",
)
CATEGORICAL = (
    "first_time_homebuyer_indicator",
    "occupancy_status",
    "channel",
    "prepayment_penalty_indicator",
    "property_state",
    "property_type",
    "loan_purpose",
)
FEATURES = (*NUMERIC, *CATEGORICAL)
"""Origination columns that are known at closing."""

_DATE = "a date tells the vintage"
_IDENTITY = "tells which loan it is, not what kind"
_STORAGE = "tells how the row came here"
_LATER = "describes a month after closing"
_SINCE = "unknown throughout older vintages, so that it tells the vintage"
_ONE = "has one value only in the Standard set"
_MANY = "has more values than a split can tell apart"

LEAKS: dict[str, dict[str, str]] = {
    "loan_originations": {
        "layout": _STORAGE,
        "file_line": _STORAGE,
        "loan_identifier": _IDENTITY,
        "pre_harp_loan_sequence_number": _IDENTITY,
        "vintage": _DATE,
        "first_payment_date": _DATE,
        "maturity_date": _DATE,
        "msa_or_md": _MANY,
        "postal_code": _MANY,
        "seller_name": "a seller is named only while it is large: that tells the vintage",
        "servicer_name": "is the servicer of the last month that was reported",
        "mi_cancellation_indicator": _LATER,
        "super_conforming_flag": "began in 2008, so that it tells the vintage",
        "harp_indicator": "began in 2009, so that it tells the vintage",
        "special_eligibility_program": _SINCE,
        "property_valuation_method": _SINCE,
        "vantagescore_4_0": _SINCE,
        "amortization_type": _ONE,
        "interest_only_indicator": _ONE,
    },
    "loan_performance": {
        "layout": _STORAGE,
        "file_line": _STORAGE,
        "loan_identifier": _IDENTITY,
        "vintage": _DATE,
        "period": _LATER,
        "delinquency_months": "is what is to be foretold",
        "real_estate_owned": "is what is to be foretold",
        "zero_balance_code": "is what is to be foretold",
        **dict.fromkeys(
            (
                "current_actual_upb",
                "loan_age",
                "remaining_months_to_legal_maturity",
                "defect_settlement_date",
                "modification_flag",
                "zero_balance_effective_date",
                "current_interest_rate",
                "current_non_interest_bearing_upb",
                "ddlpi",
                "mi_recoveries",
                "net_sales_proceeds",
                "net_sales_proceeds_unknown",
                "non_mi_recoveries",
                "total_expenses",
                "legal_costs",
                "maintenance_and_preservation_costs",
                "taxes_and_insurance",
                "miscellaneous_expenses",
                "actual_loss",
                "cumulative_modification_costs",
                "interest_rate_step_indicator",
                "payment_deferral_flag",
                "eltv",
                "zero_balance_removal_upb",
                "delinquent_accrued_interest",
                "delinquency_due_to_disaster",
                "borrower_assistance_plan",
                "current_period_modification_costs",
                "current_interest_bearing_upb",
                "mi_cancellation_indicator",
                "servicer_name",
                "bankruptcy_cramdown_costs",
            ),
            _LATER,
        ),
    },
}
"""Table by table, the columns that are no features, with the reason."""

_BORROWERS = 2  # before 2018Q2 a 2 means two or more


def prepared(features: Iterable[str]) -> list[Column]:
    """The features as the pipeline takes them: numbers as doubles, the others as they are."""
    return [_prepared(name).alias(name) for name in features]


def _prepared(name: str) -> Column:
    column = F.col(name)
    if name in CATEGORICAL:
        return column
    if name == "number_of_borrowers":  # not `least`, which passes over a null
        column = F.when(column > _BORROWERS, _BORROWERS).otherwise(column)
    return column.cast("double")
