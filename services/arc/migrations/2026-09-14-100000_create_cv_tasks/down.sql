DROP TABLE cv_tasks;

DROP TYPE cv_task_status;
