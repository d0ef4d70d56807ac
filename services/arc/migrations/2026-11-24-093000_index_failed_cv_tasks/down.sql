DROP INDEX CONCURRENTLY cv_tasks_failed_idx;
