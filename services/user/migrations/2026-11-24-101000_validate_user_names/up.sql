SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

-- A user without a name is called by the address.
UPDATE user_profiles SET name = split_part(email, '@', 1) WHERE name !~ '\S';

ALTER TABLE user_profiles VALIDATE CONSTRAINT user_profiles_name_check;
