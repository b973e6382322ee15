-- Of each vintage's loans, what share had ever been 90 or more days late, year by year on the book?
--
-- Late: three or more months past due, owned by the lender, or ended with a loss (02, 03, 09, 15). Loans that
-- were taken out (16, 96) without ever being late are left out. Months count from the first payment, by
-- period: the reported age starts again at a modification. A year is shown once the vintage's youngest loans
-- have had it.
WITH months AS (
  SELECT
    o.vintage,
    o.loan_identifier,
    (year(p.period) - year(o.first_payment_date)) * 12
      + month(p.period) - month(o.first_payment_date) + 1 AS month_on_book,
    coalesce(p.delinquency_months >= 3, false) OR p.real_estate_owned
      OR coalesce(p.zero_balance_code IN ('02', '03', '09', '15'), false) AS is_late,
    coalesce(p.zero_balance_code IN ('16', '96'), false) AS is_taken_out
  FROM loan_originations o
  JOIN loan_performance p ON p.loan_identifier = o.loan_identifier AND p.vintage = o.vintage
),
loans AS (
  SELECT
    vintage,
    loan_identifier,
    min(CASE WHEN is_late THEN month_on_book END) AS late_from,
    max(CASE WHEN is_taken_out THEN 1 ELSE 0 END) AS taken_out
  FROM months
  GROUP BY vintage, loan_identifier
),
lived AS (
  SELECT
    o.vintage,
    (year(max(p.period)) - year(max(o.first_payment_date))) * 12
      + month(max(p.period)) - month(max(o.first_payment_date)) + 1 AS months_lived
  FROM loan_originations o
  JOIN loan_performance p ON p.loan_identifier = o.loan_identifier AND p.vintage = o.vintage
  GROUP BY o.vintage
),
years AS (
  SELECT vintage, 12 * (place + 1) AS month_on_book
  FROM lived
  LATERAL VIEW posexplode(split(space(39), ' ')) numbers AS place, nothing
  WHERE 12 * (place + 1) <= months_lived
)
SELECT
  y.vintage,
  y.month_on_book,
  count(*) AS loans,
  sum(CASE WHEN l.late_from <= y.month_on_book THEN 1 ELSE 0 END) AS ever_90_days_late,
  round(avg(CASE WHEN l.late_from <= y.month_on_book THEN 1.0D ELSE 0.0D END), 4) AS share
FROM years y
JOIN loans l ON l.vintage = y.vintage
WHERE l.taken_out = 0 OR l.late_from IS NOT NULL
GROUP BY y.vintage, y.month_on_book
ORDER BY y.vintage, y.month_on_book
