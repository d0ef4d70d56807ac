SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- Blank is as good as empty. New rows are checked from now on; the next migration fills the old ones and checks them
-- without blocking writers.
-- db-check-ignore ban-drop-constraint: the new check is stricter
ALTER TABLE work_experiences
    DROP CONSTRAINT work_experiences_company_check,
    DROP CONSTRAINT work_experiences_title_check,
    ADD CONSTRAINT work_experiences_company_check CHECK (company ~ '\S') NOT VALID,
    ADD CONSTRAINT work_experiences_title_check CHECK (title ~ '\S') NOT VALID;
