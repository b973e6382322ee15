-- Whose history has holes: how many loans miss months between two that are reported, or never report at all?
--
-- Also how many were late already in their first reported month: their earlier months are not in the files.
WITH steps AS (
  SELECT
    vintage,
    loan_identifier,
    delinquency_months,
    real_estate_owned,
    period,
    lag(period) OVER (PARTITION BY vintage, loan_identifier ORDER BY period) AS period_before
  FROM loan_performance
),
holes AS (
  SELECT
    vintage,
    loan_identifier,
    coalesce(
      (year(period) - year(period_before)) * 12 + month(period) - month(period_before) - 1, 0
    ) AS missing,
    CASE
      WHEN period_before IS NULL AND (coalesce(delinquency_months > 0, false) OR real_estate_owned) THEN 1
      ELSE 0
    END AS began_late
  FROM steps
),
loans AS (
  SELECT
    vintage,
    loan_identifier,
    sum(missing) AS missing,
    max(missing) AS longest,
    max(began_late) AS began_late
  FROM holes
  GROUP BY vintage, loan_identifier
)
SELECT
  o.vintage,
  count(*) AS loans,
  count(CASE WHEN l.loan_identifier IS NULL THEN 1 END) AS never_reported,
  count(CASE WHEN l.missing > 0 THEN 1 END) AS with_months_missing,
  coalesce(sum(l.missing), 0) AS months_missing,
  coalesce(max(l.longest), 0) AS longest_hole,
  coalesce(sum(l.began_late), 0) AS began_late
FROM loan_originations o
LEFT JOIN loans l ON l.loan_identifier = o.loan_identifier AND l.vintage = o.vintage
GROUP BY o.vintage
ORDER BY o.vintage
