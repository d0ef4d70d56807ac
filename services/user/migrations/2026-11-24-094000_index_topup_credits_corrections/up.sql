-- An entry is corrected once. Also the index of the foreign key.
-- No IF NOT EXISTS: it would take the INVALID index of an interrupted run for the finished one.
-- squawk-ignore prefer-robust-stmts, require-lock-timeout, require-statement-timeout
CREATE UNIQUE INDEX CONCURRENTLY topup_credits_corrects_key ON topup_credits (user_id, corrects) WHERE corrects IS NOT NULL;
