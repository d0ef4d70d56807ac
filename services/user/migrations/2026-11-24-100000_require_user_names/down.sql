ALTER TABLE user_profiles DROP CONSTRAINT user_profiles_name_check;
