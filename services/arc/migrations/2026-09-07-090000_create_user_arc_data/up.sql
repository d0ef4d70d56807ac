SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE user_arc_data (
    user_id uuid PRIMARY KEY,
    profile jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_arc_data_profile_check CHECK (jsonb_typeof(profile) = 'object'),
    CONSTRAINT user_arc_data_version_check CHECK (version > 0)
);

COMMENT ON TABLE user_arc_data IS 'The career profile of a user; the user itself lives in another service';
COMMENT ON COLUMN user_arc_data.version IS 'Grows by one with every change; an update names the version it was made from';
