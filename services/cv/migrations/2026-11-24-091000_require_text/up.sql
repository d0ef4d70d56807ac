SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- As the other services have it: blank is as good as empty. New rows are checked from now on; the next migration fills
-- the old ones and checks them without blocking writers.
-- db-check-ignore ban-drop-constraint: the new check is stricter
ALTER TABLE cvs
    DROP CONSTRAINT cvs_title_check,
    DROP CONSTRAINT cvs_full_name_check,
    ADD CONSTRAINT cvs_title_check CHECK (title ~ '\S') NOT VALID,
    ADD CONSTRAINT cvs_full_name_check CHECK (full_name ~ '\S') NOT VALID;

ALTER TABLE experiences
    ADD CONSTRAINT experiences_company_check CHECK (company ~ '\S') NOT VALID,
    ADD CONSTRAINT experiences_title_check CHECK (title ~ '\S') NOT VALID;

ALTER TABLE educations
    ADD CONSTRAINT educations_institution_check CHECK (institution ~ '\S') NOT VALID,
    ADD CONSTRAINT educations_degree_check CHECK (degree ~ '\S') NOT VALID;

-- db-check-ignore ban-drop-constraint: the new check is stricter
ALTER TABLE skills
    DROP CONSTRAINT skills_name_check,
    ADD CONSTRAINT skills_name_check CHECK (name ~ '\S') NOT VALID;

-- db-check-ignore ban-drop-constraint: the new check is stricter
ALTER TABLE languages
    DROP CONSTRAINT languages_name_check,
    ADD CONSTRAINT languages_name_check CHECK (name ~ '\S') NOT VALID;

-- db-check-ignore ban-drop-constraint: the new check is stricter
ALTER TABLE projects
    DROP CONSTRAINT projects_name_check,
    ADD CONSTRAINT projects_name_check CHECK (name ~ '\S') NOT VALID;

-- db-check-ignore ban-drop-constraint: the new check is stricter
ALTER TABLE certifications
    DROP CONSTRAINT certifications_name_check,
    ADD CONSTRAINT certifications_name_check CHECK (name ~ '\S') NOT VALID,
    ADD CONSTRAINT certifications_issuer_check CHECK (issuer ~ '\S') NOT VALID;
