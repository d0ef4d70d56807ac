ALTER TABLE work_experiences
    DROP CONSTRAINT work_experiences_company_check,
    DROP CONSTRAINT work_experiences_title_check,
    ADD CONSTRAINT work_experiences_company_check CHECK (company <> ''),
    ADD CONSTRAINT work_experiences_title_check CHECK (title <> '');
