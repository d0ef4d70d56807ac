-- A constraint cannot be made unvalidated again, so each is made anew.
ALTER TABLE cvs
    DROP CONSTRAINT cvs_title_check,
    DROP CONSTRAINT cvs_full_name_check,
    DROP CONSTRAINT cvs_version_check;

ALTER TABLE cvs
    ADD CONSTRAINT cvs_title_check CHECK (title ~ '\S') NOT VALID,
    ADD CONSTRAINT cvs_full_name_check CHECK (full_name ~ '\S') NOT VALID,
    ADD CONSTRAINT cvs_version_check CHECK (version > 0) NOT VALID;

ALTER TABLE experiences
    DROP CONSTRAINT experiences_company_check,
    DROP CONSTRAINT experiences_title_check;

ALTER TABLE experiences
    ADD CONSTRAINT experiences_company_check CHECK (company ~ '\S') NOT VALID,
    ADD CONSTRAINT experiences_title_check CHECK (title ~ '\S') NOT VALID;

ALTER TABLE educations
    DROP CONSTRAINT educations_institution_check,
    DROP CONSTRAINT educations_degree_check;

ALTER TABLE educations
    ADD CONSTRAINT educations_institution_check CHECK (institution ~ '\S') NOT VALID,
    ADD CONSTRAINT educations_degree_check CHECK (degree ~ '\S') NOT VALID;

ALTER TABLE skills
    DROP CONSTRAINT skills_name_check;

ALTER TABLE skills
    ADD CONSTRAINT skills_name_check CHECK (name ~ '\S') NOT VALID;

ALTER TABLE languages
    DROP CONSTRAINT languages_name_check;

ALTER TABLE languages
    ADD CONSTRAINT languages_name_check CHECK (name ~ '\S') NOT VALID;

ALTER TABLE projects
    DROP CONSTRAINT projects_name_check;

ALTER TABLE projects
    ADD CONSTRAINT projects_name_check CHECK (name ~ '\S') NOT VALID;

ALTER TABLE certifications
    DROP CONSTRAINT certifications_name_check,
    DROP CONSTRAINT certifications_issuer_check;

ALTER TABLE certifications
    ADD CONSTRAINT certifications_name_check CHECK (name ~ '\S') NOT VALID,
    ADD CONSTRAINT certifications_issuer_check CHECK (issuer ~ '\S') NOT VALID;
