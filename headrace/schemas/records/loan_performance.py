"""`loan_performance.v1`: one month of one mortgage, from the single-family loan-level dataset.

The union of two file layouts; amounts have the signs of `r47`: expenses and losses positive, recoveries and
proceeds negative. Source: Freddie Mac, Single-Family Loan-Level Dataset, General User Guide and file layout
of July 2026.
"""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from headrace.schemas.limits import choice, exact
from headrace.schemas.record_type import RecordType
from headrace.schemas.records.loan_origination import (
    Cancellation,
    Company,
    Flag,
    LayoutName,
    LoanId,
    Month,
    Ratio,
)

Balance = Annotated[Decimal, exact(12, 2, low="0", high="9999999999.99")]
Amount = Annotated[Decimal, exact(12, 2, low="-9999999999.99", high="9999999999.99")]
Months = Annotated[int, Meta(ge=-999, le=999)]


class LoanPerformance(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The event time is the envelope's. Null is what a file leaves blank, or says with a code for unknown.

    Order a loan's months by `period`: `loan_age` starts again at a modification.
    """

    layout: Annotated[LayoutName, Meta(description="the file layout that it came in")]
    loan_identifier: Annotated[LoanId, Meta(description="the loan")]
    period: Annotated[Month, Meta(description="the month that is reported")]
    current_actual_upb: Annotated[
        Balance | None, Meta(description="unpaid balance, to $1,000 in the first six months")
    ] = None
    delinquency_months: Annotated[
        Annotated[int, Meta(ge=0, le=999)] | None,
        Meta(description="months past due; null: unknown, or owned by the lender"),
    ] = None
    real_estate_owned: Annotated[bool, Meta(description="the lender has taken the property")]
    loan_age: Annotated[
        Months | None, Meta(description="months since the first payment, or the modification")
    ] = None
    remaining_months_to_legal_maturity: Annotated[Months | None, Meta(description="months to maturity")] = (
        None
    )
    defect_settlement_date: Annotated[Month | None, Meta(description="month a defect was settled")] = None
    modification_flag: Annotated[
        Annotated[str, choice("Y", "P")] | None, Meta(description="Y modified this month, P earlier")
    ] = None
    zero_balance_code: Annotated[
        Annotated[str, choice("01", "02", "03", "09", "15", "16", "96")] | None,
        Meta(description="why the loan ended: 01 paid, 02 03 09 15 with a loss, 16 96 removed; null: active"),
    ] = None
    zero_balance_effective_date: Annotated[Month | None, Meta(description="month the loan ended")] = None
    current_interest_rate: Annotated[
        Annotated[Decimal, exact(8, 3, low="0", high="100")] | None, Meta(description="rate, % a year")
    ] = None
    current_non_interest_bearing_upb: Annotated[
        Amount | None, Meta(description="balance that bears no interest")
    ] = None
    ddlpi: Annotated[Month | None, Meta(description="month that the last paid installment was due")] = None
    mi_recoveries: Annotated[Amount | None, Meta(description="from mortgage insurance, negative")] = None
    net_sales_proceeds: Annotated[
        Amount | None, Meta(description="from the sale, negative; null: none, or unknown")
    ] = None
    net_sales_proceeds_unknown: Annotated[bool, Meta(description="the file says that they are not known")]
    non_mi_recoveries: Annotated[Amount | None, Meta(description="from anything else, negative")] = None
    total_expenses: Annotated[
        Amount | None, Meta(description="sum of the next four, positive: never add both")
    ] = None
    legal_costs: Annotated[Amount | None, Meta(description="part of total_expenses")] = None
    maintenance_and_preservation_costs: Annotated[
        Amount | None, Meta(description="part of total_expenses")
    ] = None
    taxes_and_insurance: Annotated[Amount | None, Meta(description="part of total_expenses")] = None
    miscellaneous_expenses: Annotated[Amount | None, Meta(description="part of total_expenses")] = None
    actual_loss: Annotated[Amount | None, Meta(description="loss, positive; a gain is negative")] = None
    cumulative_modification_costs: Annotated[
        Amount | None, Meta(description="cost of the modification so far")
    ] = None
    interest_rate_step_indicator: Annotated[
        Flag | None, Meta(description="Y: modified with a rate that rises")
    ] = None
    payment_deferral_flag: Annotated[
        Annotated[str, choice("C", "P")] | None, Meta(description="C deferred this month, P earlier")
    ] = None
    eltv: Annotated[Ratio | None, Meta(description="estimated loan to value, %")] = None
    zero_balance_removal_upb: Annotated[Amount | None, Meta(description="balance when the loan ended")] = None
    delinquent_accrued_interest: Annotated[
        Amount | None, Meta(description="interest due and not paid, with the sign that the file has")
    ] = None
    delinquency_due_to_disaster: Annotated[Flag | None, Meta(description="Y: a disaster is why")] = None
    borrower_assistance_plan: Annotated[
        Annotated[str, choice("F", "R", "T")] | None, Meta(description="F forbearance, R repayment, T trial")
    ] = None
    current_period_modification_costs: Annotated[
        Amount | None, Meta(description="cost of the modification this month")
    ] = None
    current_interest_bearing_upb: Annotated[
        Amount | None, Meta(description="balance that bears interest")
    ] = None
    mi_cancellation_indicator: Annotated[
        Cancellation | None, Meta(description="insurance cancelled; 7: does not apply; r47 files only")
    ] = None
    servicer_name: Annotated[
        Company | None, Meta(description="who services it; OTHER: a small servicer; r47 files only")
    ] = None
    bankruptcy_cramdown_costs: Annotated[
        Amount | None,
        Meta(description="of a bankruptcy; r47 files only; whether in total_expenses is not said"),
    ] = None


LOAN_PERFORMANCE = RecordType(
    name="loan_performance.v1",
    data=LoanPerformance,
    description="One month of one mortgage.",
    partition_key="loan_identifier",
)
