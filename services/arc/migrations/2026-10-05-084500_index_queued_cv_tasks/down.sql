DROP INDEX CONCURRENTLY cv_tasks_queued_idx;
