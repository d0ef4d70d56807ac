DROP TABLE languages;

DROP TABLE skills;
