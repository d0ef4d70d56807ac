-- A constraint cannot be made unvalidated again, so each is made anew.
ALTER TABLE cv_tasks
    DROP CONSTRAINT cv_tasks_status_check,
    DROP CONSTRAINT cv_tasks_attempts_check;

ALTER TABLE cv_tasks
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
