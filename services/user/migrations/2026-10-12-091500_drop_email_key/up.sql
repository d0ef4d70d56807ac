SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- The index on lower(email) is stricter and takes its place.
-- squawk-ignore ban-drop-constraint
ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_email_key;
