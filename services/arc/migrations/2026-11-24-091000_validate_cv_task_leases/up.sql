SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

UPDATE cv_tasks SET attempts = 1, leased_until = now() + interval '1 hour'
WHERE status = 'running' AND leased_until IS NULL;

ALTER TABLE cv_tasks
    VALIDATE CONSTRAINT cv_tasks_attempts_check,
    VALIDATE CONSTRAINT cv_tasks_status_check;
