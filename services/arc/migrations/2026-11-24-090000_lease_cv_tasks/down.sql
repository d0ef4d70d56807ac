COMMENT ON COLUMN cv_tasks.error IS NULL;
COMMENT ON TABLE cv_tasks IS 'The queue of CVs to write: queued, then running, then done or failed';

UPDATE cv_tasks SET error = NULL WHERE status IN ('queued', 'running') AND error IS NOT NULL;

ALTER TABLE cv_tasks
    DROP CONSTRAINT cv_tasks_status_check,
    DROP COLUMN leased_until,
    DROP COLUMN max_attempts,
    DROP COLUMN attempts,
    ADD CONSTRAINT cv_tasks_status_check CHECK (
        CASE status
            WHEN 'queued' THEN num_nonnulls(worker, started_at, finished_at, output, error) = 0
            WHEN 'running' THEN num_nonnulls(worker, started_at) = 2
                AND num_nonnulls(finished_at, output, error) = 0
            WHEN 'done' THEN num_nonnulls(worker, started_at, finished_at, output) = 4 AND error IS NULL
            WHEN 'failed' THEN num_nonnulls(worker, started_at, finished_at, error) = 4 AND output IS NULL
        END
    );
