SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TYPE cv_task_status AS ENUM ('queued', 'running', 'done', 'failed');

CREATE TABLE cv_tasks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL
        CONSTRAINT cv_tasks_user_id_fkey REFERENCES user_arc_data (user_id) ON DELETE CASCADE,
    status cv_task_status NOT NULL DEFAULT 'queued',
    input jsonb NOT NULL,
    output jsonb,
    error text,
    worker text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    -- A row holds exactly what its status has brought about, so no half-finished task can be stored.
    CONSTRAINT cv_tasks_status_check CHECK (
        CASE status
            WHEN 'queued' THEN num_nonnulls(worker, started_at, finished_at, output, error) = 0
            WHEN 'running' THEN num_nonnulls(worker, started_at) = 2
                AND num_nonnulls(finished_at, output, error) = 0
            WHEN 'done' THEN num_nonnulls(worker, started_at, finished_at, output) = 4 AND error IS NULL
            WHEN 'failed' THEN num_nonnulls(worker, started_at, finished_at, error) = 4 AND output IS NULL
        END
    )
);

CREATE INDEX cv_tasks_user_id_idx ON cv_tasks (user_id, id);

COMMENT ON TABLE cv_tasks IS 'The queue of CVs to write: queued, then running, then done or failed';
COMMENT ON COLUMN cv_tasks.worker IS 'Who runs or ran the task; only this worker may end it';
