"""Which loans defaulted early, and which are too young, or of no kind, to tell."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812  its name everywhere

CREDIT_EVENTS = ("02", "03", "09", "15")
REMOVED = ("16", "96")  # sold as reperforming, or a defect: neither good nor bad
_LATE_MONTHS = 3  # 90 days


def labels(originations: DataFrame, performance: DataFrame, window_months: int) -> DataFrame:
    """One row (loan_identifier, vintage, defaulted) for each loan whose fate in the window is known.

    The window is the first payment's month and those behind it, `window_months` in all, by `period`: a loan's
    age begins anew at a modification. A loan defaulted if a row in the window is 90 days late, real estate
    owned, or ended in a credit event. One that a sale or a defect removed, whenever that was, is left out.
    One that did not default is left out too, unless it was seen to the window's end or to its own: a loan
    that was paid off cannot default any more.
    """
    firsts = originations.select("loan_identifier", "vintage", "first_payment_date")
    month = _month("period") - _month("first_payment_date")
    code = F.col("zero_balance_code")
    # A comparison with a null is null, and a null among bools would be passed over: each must be told.
    bad = _told(F.col("delinquency_months") >= _LATE_MONTHS) | _told(F.col("real_estate_owned"))
    bad |= _told(code.isin(*CREDIT_EVENTS))
    fates = (
        performance.select(
            "loan_identifier", "period", "delinquency_months", "real_estate_owned", "zero_balance_code"
        )
        .join(firsts, "loan_identifier")
        .groupBy("loan_identifier", "vintage")
        .agg(
            F.bool_or(month.between(0, window_months - 1) & bad).alias("defaulted"),
            F.bool_or(_told(code.isin(*REMOVED))).alias("removed"),
            F.bool_or((month >= window_months - 1) | code.isNotNull()).alias("seen"),
        )
    )
    known = fates.where(~F.col("removed") & (F.col("defaulted") | F.col("seen")))
    return known.select("loan_identifier", "vintage", "defaulted")


def _told(condition: Column) -> Column:
    return F.coalesce(condition, F.lit(False))  # noqa: FBT003  Spark's false


def _month(name: str) -> Column:
    """Months since the year 0."""
    return F.year(name) * 12 + F.month(name)
