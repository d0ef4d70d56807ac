-- At least one object of every kind, for the tests.
CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE, kept int);
CREATE TABLE t (
    id bigserial CONSTRAINT t_id PRIMARY KEY,
    parent_id int CONSTRAINT t_parent REFERENCES parent,
    name text NOT NULL DEFAULT 'x',
    counted int GENERATED ALWAYS AS IDENTITY,
    doubled int GENERATED ALWAYS AS (parent_id * 2) STORED,
    price numeric(10, 2) CONSTRAINT t_price CHECK (price > 0),
    body text, at timestamptz DEFAULT '2026-01-01 00:00+00', during tstzrange,
    CONSTRAINT t_name UNIQUE (name) DEFERRABLE,
    CONSTRAINT t_during EXCLUDE USING gist (during WITH &&)
);
CREATE INDEX t_body ON t (lower(body)) WHERE price > 1;
CREATE INDEX t_two ON t (price, at);
CREATE UNIQUE INDEX t_counted ON t (counted);
ALTER TABLE t ALTER counted SET NOT NULL;
CREATE STATISTICS t_statistics (ndistinct) ON price, at FROM t;
CREATE TABLE child (extra int) INHERITS (parent);
CREATE TABLE part (k int NOT NULL, v text, PRIMARY KEY (k), FOREIGN KEY (k) REFERENCES parent) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20) PARTITION BY LIST (k);
CREATE INDEX part_v ON part (v);
CREATE UNLOGGED TABLE unlogged (a int);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN email AS text DEFAULT 'a@b' CONSTRAINT email_at CHECK (value LIKE '%@%');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE price_range AS RANGE (subtype = numeric, multirange_type_name = price_ranges);
CREATE TABLE typed OF pair;
CREATE TABLE uses (m mood, e email, p pair, r price_range, ms mood[]);
CREATE VIEW v AS SELECT id, name FROM t WHERE price > 1;
CREATE VIEW v_of_v WITH (security_barrier) AS SELECT * FROM v;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM t;
CREATE UNIQUE INDEX mv_n ON mv (n);
CREATE SEQUENCE s;
CREATE FUNCTION f(a int, b text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION atomic(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a + 1; END;
CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE AGGREGATE total(int) (SFUNC = add, STYPE = int, INITCOND = '0');
CREATE FUNCTION near(a int, b int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs(a - b) < 2';
CREATE OPERATOR ~~~ (FUNCTION = near, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR FAMILY family USING btree;
CREATE OPERATOR CLASS by_pair FOR TYPE int USING btree FAMILY family AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
    OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE FUNCTION to_mood(int) RETURNS mood LANGUAGE sql AS $$SELECT 'good'::mood$$;
CREATE CAST (int AS mood) WITH FUNCTION to_mood(int);
CREATE COLLATION german FROM "C";
CREATE CONVERSION old FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION searching (COPY = simple);
CREATE TEXT SEARCH TEMPLATE templated (LEXIZE = dsimple_lexize, INIT = dsimple_init);
CREATE TEXT SEARCH PARSER parsing (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TRIGGER part_touch BEFORE UPDATE ON part FOR EACH ROW EXECUTE FUNCTION touched();
CREATE RULE quiet AS ON DELETE TO unlogged DO INSTEAD NOTHING;
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION on_ddl();
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON t FOR SELECT USING (parent_id = 1);
CREATE SCHEMA app;
CREATE TABLE app.t (a int);
CREATE TABLE app."weird ""name" ("A column" int);
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper OPTIONS (host 'h');
CREATE FOREIGN TABLE far (a int OPTIONS (x 'y')) SERVER elsewhere OPTIONS (t 'u');
CREATE USER MAPPING FOR PUBLIC SERVER elsewhere;
CREATE PUBLICATION news FOR TABLE t;
CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler;
CREATE EXTENSION citext SCHEMA app;
COMMENT ON TABLE t IS 'a table';
COMMENT ON COLUMN t.name IS 'a column';
COMMENT ON FUNCTION f(text) IS 'a function';
GRANT SELECT ON t TO catalog_reader;
GRANT SELECT (a) ON app.t TO catalog_reader;
REVOKE EXECUTE ON FUNCTION f(text) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO catalog_reader;
