DROP TABLE educations;

DROP TABLE experiences;
