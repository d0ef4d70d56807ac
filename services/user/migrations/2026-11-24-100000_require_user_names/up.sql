SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- New rows are checked from now on; the next migration fixes the old ones and checks them without blocking writers.
ALTER TABLE user_profiles
    ADD CONSTRAINT user_profiles_name_check CHECK (name ~ '\S') NOT VALID;
