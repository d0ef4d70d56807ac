-- A constraint cannot be made unvalidated again, so it is made anew.
ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_name_check;

ALTER TABLE user_profiles
    ADD CONSTRAINT user_profiles_name_check CHECK (name ~ '\S') NOT VALID;
