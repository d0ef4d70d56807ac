-- No IF NOT EXISTS: it would take the INVALID index of an interrupted run for the finished one.
-- squawk-ignore prefer-robust-stmts, require-lock-timeout, require-statement-timeout
CREATE UNIQUE INDEX CONCURRENTLY topup_credits_request_key_key ON topup_credits (request_key);
