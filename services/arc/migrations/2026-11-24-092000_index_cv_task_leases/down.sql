DROP INDEX CONCURRENTLY cv_tasks_leases_idx;
