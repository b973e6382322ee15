-- Whom was lent to: how many loans, how much, and on what terms, by vintage?
--
-- Averages are weighted by balance, over the loans whose value is known. Shares are of all loans: one whose
-- value is not known is in none. Mortgage insurance of 0 % is none; unknown is null.
SELECT
  vintage,
  count(*) AS loans,
  sum(original_upb) AS balance,
  round(
    sum(CAST(original_upb * original_interest_rate AS DOUBLE))
      / nullif(sum(CAST(original_upb AS DOUBLE)), 0.0D), 3
  ) AS rate,
  round(
    sum(CAST(original_upb * classic_fico AS DOUBLE))
      / nullif(sum(CASE WHEN classic_fico IS NOT NULL THEN CAST(original_upb AS DOUBLE) END), 0.0D), 1
  ) AS fico,
  round(
    sum(CAST(original_upb * original_ltv AS DOUBLE))
      / nullif(sum(CASE WHEN original_ltv IS NOT NULL THEN CAST(original_upb AS DOUBLE) END), 0.0D), 1
  ) AS ltv,
  round(
    sum(CAST(original_upb * original_dti AS DOUBLE))
      / nullif(sum(CASE WHEN original_dti IS NOT NULL THEN CAST(original_upb AS DOUBLE) END), 0.0D), 1
  ) AS dti,
  round(count(CASE WHEN classic_fico < 660 THEN 1 END) / count(*), 4) AS fico_below_660,
  round(count(CASE WHEN original_ltv > 80 THEN 1 END) / count(*), 4) AS ltv_above_80,
  round(count(CASE WHEN mi_percent > 0 THEN 1 END) / count(*), 4) AS insured,
  round(count(CASE WHEN loan_purpose = 'P' THEN 1 END) / count(*), 4) AS purchase,
  round(count(CASE WHEN loan_purpose = 'C' THEN 1 END) / count(*), 4) AS cash_out,
  round(count(CASE WHEN occupancy_status = 'I' THEN 1 END) / count(*), 4) AS investment
FROM loan_originations
GROUP BY vintage
ORDER BY vintage
