SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE cvs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL,
    title text NOT NULL,
    full_name text NOT NULL,
    headline text NOT NULL DEFAULT '',
    summary text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cvs_title_check CHECK (title <> ''),
    CONSTRAINT cvs_full_name_check CHECK (full_name <> '')
);

COMMENT ON TABLE cvs IS 'One CV; a user may keep several, one for each kind of job';
COMMENT ON COLUMN cvs.title IS 'What the user calls this CV; never printed on it';
