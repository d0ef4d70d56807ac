-- A constraint cannot be made unvalidated again, so it is made anew.
ALTER TABLE projects DROP CONSTRAINT projects_url_check;

ALTER TABLE projects
    ADD CONSTRAINT projects_url_check CHECK (url ~ '^https?://') NOT VALID;
