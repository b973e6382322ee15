-- From one month to the next, how many loans move from each state to each other?
--
-- Only months that follow each other are compared: a loan with a month missing makes no transition across it.
-- A loan ends as paid (01), with a loss (02, 03, 09, 15) or taken out (16, 96); `unknown` is a month whose
-- status the file does not know.
WITH states AS (
  SELECT
    loan_identifier,
    vintage,
    period,
    CASE
      WHEN zero_balance_code = '01' THEN 'paid'
      WHEN zero_balance_code IN ('02', '03', '09', '15') THEN 'loss'
      WHEN zero_balance_code IN ('16', '96') THEN 'taken out'
      WHEN real_estate_owned THEN 'owned'
      WHEN delinquency_months = 0 THEN 'current'
      WHEN delinquency_months = 1 THEN '30 days'
      WHEN delinquency_months = 2 THEN '60 days'
      WHEN delinquency_months >= 3 THEN '90+ days'
      ELSE 'unknown'
    END AS state
  FROM loan_performance
),
moves AS (
  SELECT
    state AS from_state,
    period,
    lead(state) OVER (PARTITION BY vintage, loan_identifier ORDER BY period) AS to_state,
    lead(period) OVER (PARTITION BY vintage, loan_identifier ORDER BY period) AS next_period
  FROM states
),
counted AS (
  SELECT from_state, to_state, count(*) AS transitions
  FROM moves
  WHERE next_period = add_months(period, 1)
  GROUP BY from_state, to_state
)
SELECT
  from_state,
  to_state,
  transitions,
  round(transitions / sum(transitions) OVER (PARTITION BY from_state), 4) AS share
FROM counted
ORDER BY from_state, to_state
