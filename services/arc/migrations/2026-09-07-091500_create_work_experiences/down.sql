DROP TABLE work_experiences;
