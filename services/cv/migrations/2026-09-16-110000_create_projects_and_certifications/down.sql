DROP TABLE certifications;

DROP TABLE projects;
