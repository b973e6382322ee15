-- Of the loans that were modified, how many were 90 or more days late again within a year?
--
-- A loan counts once, by its first modification. Late is three or more months past due, owned by the lender,
-- or ended with a loss, in one of the twelve months after. One that was paid off (01) in that year was not;
-- one that was taken out (16, 96) in it, or not seen for all of it, and was not late by then, is left out.
WITH modified AS (
  SELECT vintage, loan_identifier, min(period) AS period
  FROM loan_performance
  WHERE modification_flag = 'Y'
  GROUP BY vintage, loan_identifier
),
months_after AS (
  SELECT
    m.vintage,
    m.loan_identifier,
    year(m.period) AS modified_in,
    (year(p.period) - year(m.period)) * 12 + month(p.period) - month(m.period) AS month_after,
    p.zero_balance_code,
    coalesce(p.delinquency_months >= 3, false) OR p.real_estate_owned
      OR coalesce(p.zero_balance_code IN ('02', '03', '09', '15'), false) AS is_late
  FROM modified m
  JOIN loan_performance p ON p.loan_identifier = m.loan_identifier AND p.vintage = m.vintage
  WHERE p.period >= m.period
),
fates AS (
  SELECT
    modified_in,
    max(CASE WHEN is_late AND month_after BETWEEN 1 AND 12 THEN 1 ELSE 0 END) AS late_again,
    max(CASE WHEN zero_balance_code = '01' THEN 1 ELSE 0 END) AS paid,
    max(CASE WHEN zero_balance_code IN ('16', '96') AND month_after <= 12 THEN 1 ELSE 0 END) AS taken_out,
    max(month_after) AS months_seen
  FROM months_after
  GROUP BY vintage, loan_identifier, modified_in
)
SELECT
  modified_in,
  count(*) AS loans,
  sum(late_again) AS late_again,
  round(avg(CAST(late_again AS DOUBLE)), 4) AS share
FROM fates
WHERE late_again = 1 OR (taken_out = 0 AND (paid = 1 OR months_seen >= 12))
GROUP BY modified_in
ORDER BY modified_in
