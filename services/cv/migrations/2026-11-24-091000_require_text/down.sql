ALTER TABLE certifications
    DROP CONSTRAINT certifications_name_check,
    DROP CONSTRAINT certifications_issuer_check,
    ADD CONSTRAINT certifications_name_check CHECK (name <> '');

ALTER TABLE projects
    DROP CONSTRAINT projects_name_check,
    ADD CONSTRAINT projects_name_check CHECK (name <> '');

ALTER TABLE languages
    DROP CONSTRAINT languages_name_check,
    ADD CONSTRAINT languages_name_check CHECK (name <> '');

ALTER TABLE skills
    DROP CONSTRAINT skills_name_check,
    ADD CONSTRAINT skills_name_check CHECK (name <> '');

ALTER TABLE educations
    DROP CONSTRAINT educations_institution_check,
    DROP CONSTRAINT educations_degree_check;

ALTER TABLE experiences
    DROP CONSTRAINT experiences_company_check,
    DROP CONSTRAINT experiences_title_check;

ALTER TABLE cvs
    DROP CONSTRAINT cvs_title_check,
    DROP CONSTRAINT cvs_full_name_check,
    ADD CONSTRAINT cvs_title_check CHECK (title <> ''),
    ADD CONSTRAINT cvs_full_name_check CHECK (full_name <> '');
