COMMENT ON COLUMN user_arc_data.version IS 'Grows by one with every change; an update names the version it was made from';

ALTER TABLE user_arc_data ALTER COLUMN version SET DEFAULT 1;

DROP SEQUENCE user_arc_data_version_seq;
