SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE skills (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cv_id bigint NOT NULL CONSTRAINT skills_cv_id_fkey REFERENCES cvs (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    name text NOT NULL,
    years bigint,
    CONSTRAINT skills_position_key UNIQUE (cv_id, position),
    CONSTRAINT skills_position_check CHECK (position >= 0),
    CONSTRAINT skills_name_check CHECK (name <> ''),
    CONSTRAINT skills_years_check CHECK (years >= 0)
);

COMMENT ON TABLE skills IS 'Skills on a CV, in the order in which they are printed';
COMMENT ON COLUMN skills.years IS 'Years of practice; null when the user does not say';

CREATE TABLE languages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cv_id bigint NOT NULL CONSTRAINT languages_cv_id_fkey REFERENCES cvs (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    name text NOT NULL,
    level text NOT NULL,
    CONSTRAINT languages_position_key UNIQUE (cv_id, position),
    CONSTRAINT languages_position_check CHECK (position >= 0),
    CONSTRAINT languages_name_check CHECK (name <> ''),
    CONSTRAINT languages_level_check CHECK (level IN ('A1', 'A2', 'B1', 'B2', 'C1', 'C2', 'native'))
);

COMMENT ON TABLE languages IS 'Languages on a CV, in the order in which they are printed';
COMMENT ON COLUMN languages.level IS 'Level of the Common European Framework, or native';
