SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- A constant default is kept in the catalog: no row is rewritten. The last of these migrations validates the check.
ALTER TABLE cvs
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD CONSTRAINT cvs_version_check CHECK (version > 0) NOT VALID;

COMMENT ON COLUMN cvs.version IS 'Grows by one with every change; a change names the version it was made from';
