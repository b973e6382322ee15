-- How fast do loans prepay when the market's rate falls below theirs: SMM and CPR by rate incentive?
--
-- The market's rate of a month is the average note rate of the loans in these tables whose first payment lies
-- two months later, when loans of that month usually begin to pay; months without such loans are left out.
-- Incentive is the loan's rate of the month before less the market's, in points. SMM is the balance, of the
-- month before, of the loans paid off (01) before their maturity, by the balance of all. Part payments are
-- not counted.
WITH market AS (
  SELECT add_months(first_payment_date, -2) AS period, avg(CAST(original_interest_rate AS DOUBLE)) AS rate
  FROM loan_originations
  GROUP BY add_months(first_payment_date, -2)
),
months AS (
  SELECT
    loan_identifier,
    vintage,
    period,
    zero_balance_code,
    lag(period) OVER (PARTITION BY vintage, loan_identifier ORDER BY period) AS period_before,
    lag(current_actual_upb) OVER (PARTITION BY vintage, loan_identifier ORDER BY period) AS balance,
    lag(current_interest_rate) OVER (PARTITION BY vintage, loan_identifier ORDER BY period) AS rate
  FROM loan_performance
),
at_risk AS (
  SELECT
    CAST(m.balance AS DOUBLE) AS balance,
    CASE
      WHEN m.zero_balance_code = '01' AND coalesce(m.period < o.maturity_date, true)
        THEN CAST(m.balance AS DOUBLE)
      ELSE 0.0D
    END AS prepaid,
    floor((CAST(m.rate AS DOUBLE) - market.rate) * 2) / 2 AS incentive
  FROM months m
  JOIN loan_originations o ON o.loan_identifier = m.loan_identifier AND o.vintage = m.vintage
  JOIN market ON market.period = m.period
  WHERE m.period = add_months(m.period_before, 1) AND m.balance > 0 AND m.rate IS NOT NULL
),
speeds AS (
  SELECT incentive, count(*) AS loan_months, sum(prepaid) / sum(balance) AS smm
  FROM at_risk
  GROUP BY incentive
)
SELECT
  incentive AS incentive_from,
  incentive + 0.5D AS incentive_to,
  loan_months,
  round(smm, 5) AS smm,
  round(1 - power(1 - smm, 12), 4) AS cpr
FROM speeds
ORDER BY incentive
