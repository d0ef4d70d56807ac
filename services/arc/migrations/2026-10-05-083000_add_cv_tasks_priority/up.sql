SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- A constant default is kept in the catalog: no row is rewritten.
ALTER TABLE cv_tasks ADD COLUMN priority bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN cv_tasks.priority IS 'Higher runs first; equal ones run in the order of their arrival';
