SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE user_profiles (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_profiles_email_key UNIQUE (email),
    CONSTRAINT user_profiles_email_check CHECK (email ~ '^[^@\s]+@[^@\s]+$' AND length(email) <= 254)
);

COMMENT ON TABLE user_profiles IS 'Accounts; every other service knows a user by this id alone';
COMMENT ON COLUMN user_profiles.email IS 'As the user typed it; compared without regard to case';
