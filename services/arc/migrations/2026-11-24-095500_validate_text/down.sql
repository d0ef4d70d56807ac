-- A constraint cannot be made unvalidated again, so each is made anew.
ALTER TABLE work_experiences
    DROP CONSTRAINT work_experiences_company_check,
    DROP CONSTRAINT work_experiences_title_check;

ALTER TABLE work_experiences
    ADD CONSTRAINT work_experiences_company_check CHECK (company ~ '\S') NOT VALID,
    ADD CONSTRAINT work_experiences_title_check CHECK (title ~ '\S') NOT VALID;
