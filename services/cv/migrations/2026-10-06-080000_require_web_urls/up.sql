SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- New rows are checked from now on; the next migration checks the old ones without blocking writers.
ALTER TABLE projects
    ADD CONSTRAINT projects_url_check CHECK (url ~ '^https?://') NOT VALID;
