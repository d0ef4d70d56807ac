-- No IF NOT EXISTS: it would take the INVALID index of an interrupted run for the finished one.
-- squawk-ignore prefer-robust-stmts, require-lock-timeout, require-statement-timeout
CREATE INDEX CONCURRENTLY cv_tasks_failed_idx ON cv_tasks (finished_at) WHERE status = 'failed';
