SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE projects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cv_id bigint NOT NULL CONSTRAINT projects_cv_id_fkey REFERENCES cvs (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    url text,
    CONSTRAINT projects_position_key UNIQUE (cv_id, position),
    CONSTRAINT projects_position_check CHECK (position >= 0),
    CONSTRAINT projects_name_check CHECK (name <> '')
);

COMMENT ON TABLE projects IS 'Projects on a CV, in the order in which they are printed';

CREATE TABLE certifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cv_id bigint NOT NULL CONSTRAINT certifications_cv_id_fkey REFERENCES cvs (id) ON DELETE CASCADE,
    position bigint NOT NULL,
    name text NOT NULL,
    issuer text NOT NULL,
    issued_on date NOT NULL,
    expires_on date,
    CONSTRAINT certifications_position_key UNIQUE (cv_id, position),
    CONSTRAINT certifications_position_check CHECK (position >= 0),
    CONSTRAINT certifications_name_check CHECK (name <> ''),
    CONSTRAINT certifications_dates_check CHECK (expires_on >= issued_on)
);

COMMENT ON TABLE certifications IS 'Certificates on a CV, in the order in which they are printed';
COMMENT ON COLUMN certifications.expires_on IS 'Null when the certificate does not expire';
