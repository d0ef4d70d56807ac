SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE experiences (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cv_id bigint NOT NULL CONSTRAINT experiences_cv_id_fkey REFERENCES cvs (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    company text NOT NULL,
    title text NOT NULL,
    description text NOT NULL DEFAULT '',
    started_on date NOT NULL,
    ended_on date,
    -- This key is also the index of the foreign key.
    CONSTRAINT experiences_position_key UNIQUE (cv_id, position),
    CONSTRAINT experiences_position_check CHECK (position >= 0),
    CONSTRAINT experiences_dates_check CHECK (ended_on >= started_on)
);

COMMENT ON TABLE experiences IS 'Jobs on a CV, in the order in which they are printed';
COMMENT ON COLUMN experiences.ended_on IS 'Null for the present job';

CREATE TABLE educations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cv_id bigint NOT NULL CONSTRAINT educations_cv_id_fkey REFERENCES cvs (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    institution text NOT NULL,
    degree text NOT NULL,
    started_on date NOT NULL,
    ended_on date,
    CONSTRAINT educations_position_key UNIQUE (cv_id, position),
    CONSTRAINT educations_position_check CHECK (position >= 0),
    CONSTRAINT educations_dates_check CHECK (ended_on >= started_on)
);

COMMENT ON TABLE educations IS 'Schools and degrees on a CV, in the order in which they are printed';
COMMENT ON COLUMN educations.ended_on IS 'Null while the studies last';
