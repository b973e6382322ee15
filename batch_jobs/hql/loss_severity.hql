-- What did each vintage's credit events cost, and do the published losses agree with their own parts?
--
-- Credit events are the codes 02, 03, 09 and 15; 16 and 96 carry no loss. Severity is loss by balance, over
-- events whose loss and balance are published. The identity, in the tables' signs: loss = balance + proceeds
-- + interest + expenses + recoveries, where a blank part is 0 and `total_expenses` holds its four parts. It
-- cannot be told where the proceeds are unknown. Five cents are allowed for rounding.
WITH events AS (
  SELECT
    vintage,
    actual_loss,
    zero_balance_removal_upb AS balance,
    net_sales_proceeds_unknown AS is_untold,
    zero_balance_removal_upb + coalesce(net_sales_proceeds, 0) + coalesce(delinquent_accrued_interest, 0)
      + coalesce(total_expenses, 0) + coalesce(mi_recoveries, 0) + coalesce(non_mi_recoveries, 0) AS told
  FROM loan_performance
  WHERE zero_balance_code IN ('02', '03', '09', '15')
)
SELECT
  vintage,
  count(*) AS credit_events,
  count(CASE WHEN actual_loss < 0 THEN 1 END) AS gains,
  sum(actual_loss) AS loss,
  sum(CASE WHEN actual_loss IS NOT NULL THEN balance END) AS balance,
  round(
    CAST(sum(CASE WHEN balance IS NOT NULL THEN actual_loss END) AS DOUBLE)
      / nullif(CAST(sum(CASE WHEN actual_loss IS NOT NULL THEN balance END) AS DOUBLE), 0.0D), 4
  ) AS severity,
  count(CASE WHEN NOT is_untold AND abs(actual_loss - told) <= 0.05 THEN 1 END) AS agree,
  count(CASE WHEN NOT is_untold AND abs(actual_loss - told) > 0.05 THEN 1 END) AS disagree,
  count(CASE WHEN is_untold OR actual_loss IS NULL OR told IS NULL THEN 1 END) AS cannot_be_told
FROM events
GROUP BY vintage
ORDER BY vintage
