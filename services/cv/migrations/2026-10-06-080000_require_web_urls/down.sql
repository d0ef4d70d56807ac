ALTER TABLE projects DROP CONSTRAINT projects_url_check;
