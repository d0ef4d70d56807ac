SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

ALTER TABLE projects VALIDATE CONSTRAINT projects_url_check;
