ALTER TABLE cv_tasks DROP COLUMN priority;
