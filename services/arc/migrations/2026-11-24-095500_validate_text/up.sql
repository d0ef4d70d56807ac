SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

UPDATE work_experiences
SET company = CASE WHEN company ~ '\S' THEN company ELSE 'unknown' END,
    title = CASE WHEN title ~ '\S' THEN title ELSE 'unknown' END
WHERE company !~ '\S' OR title !~ '\S';

ALTER TABLE work_experiences
    VALIDATE CONSTRAINT work_experiences_company_check,
    VALIDATE CONSTRAINT work_experiences_title_check;
