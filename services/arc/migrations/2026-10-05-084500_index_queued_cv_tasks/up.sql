-- Only what waits is indexed: the index stays as small as the queue, however long the history grows.
-- No IF NOT EXISTS: it would take the INVALID index of an interrupted run for the finished one.
-- squawk-ignore prefer-robust-stmts, require-lock-timeout, require-statement-timeout
CREATE INDEX CONCURRENTLY cv_tasks_queued_idx ON cv_tasks (priority DESC, id) WHERE status = 'queued';
