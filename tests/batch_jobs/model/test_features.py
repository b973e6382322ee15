from batch_jobs.model.features import FEATURES, LEAKS
from headrace.schemas.loan_tables import LOAN_ORIGINATIONS, LOAN_PERFORMANCE


def test_every_column_is_a_feature_or_has_a_written_reason_why_not() -> None:
    for table in (LOAN_ORIGINATIONS, LOAN_PERFORMANCE):
        features = FEATURES if table is LOAN_ORIGINATIONS else ()
        reasons = LEAKS[table.name]
        assert sorted([*features, *reasons]) == sorted(column.name for column in table.columns)
        assert all(reasons.values())
