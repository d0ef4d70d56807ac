ALTER TABLE user_profiles ADD CONSTRAINT user_profiles_email_key UNIQUE (email);
