-- Only what runs is indexed: leases that have run out are found without reading the table.
-- No IF NOT EXISTS: it would take the INVALID index of an interrupted run for the finished one.
-- squawk-ignore prefer-robust-stmts, require-lock-timeout, require-statement-timeout
CREATE INDEX CONCURRENTLY cv_tasks_leases_idx ON cv_tasks (leased_until) WHERE status = 'running';
