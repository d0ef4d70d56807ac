-- The key that the entry after refers to.
-- No IF NOT EXISTS: it would take the INVALID index of an interrupted run for the finished one.
-- squawk-ignore prefer-robust-stmts, require-lock-timeout, require-statement-timeout
CREATE UNIQUE INDEX CONCURRENTLY topup_credits_entry_balance_key ON topup_credits (user_id, entry, balance);
