"""The windowed outputs of `user_signup.v1`."""

from datetime import timedelta

from headrace.schemas.outputs import Count, Distinct, Key, Quantile, WindowedOutput
from headrace.schemas.records.user_signup import USER_SIGNUP

USER_SIGNUPS_10M = WindowedOutput(
    name="user_signups_10m",
    record_type=USER_SIGNUP,
    every=timedelta(minutes=10),
    keys=(Key("country", of="country"),),
    measures=(
        Count("signups"),
        Distinct("users", "user_id"),
        Quantile("age_p50", "age", 0.5),
    ),
    description="Sign-ups, distinct users and their median age per ten minutes by country.",
)
