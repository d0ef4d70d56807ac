SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- Constant defaults are kept in the catalog: no row is rewritten. From here on a task can't be claimed without a lease,
-- so the workers of the version before end what they are running, for which the next migration gives them an hour, and
-- get nothing new.
-- db-check-ignore ban-drop-constraint: the new check takes its place
ALTER TABLE cv_tasks
    ADD COLUMN attempts bigint NOT NULL DEFAULT 0,
    ADD COLUMN max_attempts bigint NOT NULL DEFAULT 5,
    ADD COLUMN leased_until timestamptz,
    DROP CONSTRAINT cv_tasks_status_check,
    ADD CONSTRAINT cv_tasks_attempts_check CHECK (attempts BETWEEN 0 AND max_attempts) NOT VALID,
    ADD CONSTRAINT cv_tasks_status_check CHECK (
        CASE status
            WHEN 'queued' THEN num_nonnulls(worker, started_at, leased_until, finished_at, output) = 0
                AND attempts < max_attempts
            WHEN 'running' THEN num_nonnulls(worker, started_at, leased_until) = 3
                AND num_nonnulls(finished_at, output) = 0 AND attempts > 0
            WHEN 'done' THEN num_nonnulls(worker, started_at, finished_at, output) = 4 AND error IS NULL
            WHEN 'failed' THEN num_nonnulls(worker, started_at, finished_at, error) = 4 AND output IS NULL
        END
    ) NOT VALID;

COMMENT ON TABLE cv_tasks IS 'The queue of CVs to write: queued, then running, then done; failed are the dead letters';
COMMENT ON COLUMN cv_tasks.attempts IS 'How often a worker has claimed the task; with the worker it says whose lease it is';
COMMENT ON COLUMN cv_tasks.max_attempts IS 'After so many attempts without an end, the task has failed';
COMMENT ON COLUMN cv_tasks.leased_until IS 'When the task goes back to the queue, unless its worker extends the lease';
COMMENT ON COLUMN cv_tasks.error IS 'Why the task has failed, or why the attempt before did not end';
