SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

-- One count for all users: a profile that is deleted and created again never has a version that it had before.
CREATE SEQUENCE user_arc_data_version_seq AS bigint OWNED BY user_arc_data.version;

-- With a margin for the version of the service that still counts by itself.
SELECT setval('user_arc_data_version_seq', coalesce(max(version), 0) + 1000) FROM user_arc_data;

ALTER TABLE user_arc_data ALTER COLUMN version SET DEFAULT nextval('user_arc_data_version_seq');

COMMENT ON COLUMN user_arc_data.version IS 'Grows with every change and is never used again; an update names the version it was made from';
