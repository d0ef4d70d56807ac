SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE work_experiences (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL
        CONSTRAINT work_experiences_user_id_fkey REFERENCES user_arc_data (user_id) ON DELETE CASCADE,
    company text NOT NULL,
    title text NOT NULL,
    description text NOT NULL DEFAULT '',
    started_on date NOT NULL,
    ended_on date,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT work_experiences_company_check CHECK (company <> ''),
    CONSTRAINT work_experiences_title_check CHECK (title <> ''),
    CONSTRAINT work_experiences_dates_check CHECK (ended_on >= started_on)
);

CREATE INDEX work_experiences_user_id_idx ON work_experiences (user_id, started_on DESC);

COMMENT ON TABLE work_experiences IS 'Where a user has worked, and as what';
COMMENT ON COLUMN work_experiences.ended_on IS 'Null while the user still works there';
