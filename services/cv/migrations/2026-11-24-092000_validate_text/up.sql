SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

UPDATE cvs
SET title = CASE WHEN title ~ '\S' THEN title ELSE 'unknown' END,
    full_name = CASE WHEN full_name ~ '\S' THEN full_name ELSE 'unknown' END
WHERE title !~ '\S' OR full_name !~ '\S';

ALTER TABLE cvs
    VALIDATE CONSTRAINT cvs_title_check,
    VALIDATE CONSTRAINT cvs_full_name_check,
    VALIDATE CONSTRAINT cvs_version_check;

UPDATE experiences
SET company = CASE WHEN company ~ '\S' THEN company ELSE 'unknown' END,
    title = CASE WHEN title ~ '\S' THEN title ELSE 'unknown' END
WHERE company !~ '\S' OR title !~ '\S';

ALTER TABLE experiences
    VALIDATE CONSTRAINT experiences_company_check,
    VALIDATE CONSTRAINT experiences_title_check;

UPDATE educations
SET institution = CASE WHEN institution ~ '\S' THEN institution ELSE 'unknown' END,
    degree = CASE WHEN degree ~ '\S' THEN degree ELSE 'unknown' END
WHERE institution !~ '\S' OR degree !~ '\S';

ALTER TABLE educations
    VALIDATE CONSTRAINT educations_institution_check,
    VALIDATE CONSTRAINT educations_degree_check;

UPDATE skills SET name = 'unknown' WHERE name !~ '\S';

ALTER TABLE skills
    VALIDATE CONSTRAINT skills_name_check;

UPDATE languages SET name = 'unknown' WHERE name !~ '\S';

ALTER TABLE languages
    VALIDATE CONSTRAINT languages_name_check;

UPDATE projects SET name = 'unknown' WHERE name !~ '\S';

ALTER TABLE projects
    VALIDATE CONSTRAINT projects_name_check;

UPDATE certifications
SET name = CASE WHEN name ~ '\S' THEN name ELSE 'unknown' END,
    issuer = CASE WHEN issuer ~ '\S' THEN issuer ELSE 'unknown' END
WHERE name !~ '\S' OR issuer !~ '\S';

ALTER TABLE certifications
    VALIDATE CONSTRAINT certifications_name_check,
    VALIDATE CONSTRAINT certifications_issuer_check;
