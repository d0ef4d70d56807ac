-- What an extension brought is the extension's.
member AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
space AS MATERIALIZED (
    SELECT oid FROM pg_namespace
    WHERE nspname !~ '^pg_(toast|temp|catalog)' AND nspname NOT IN ('information_schema', 'db_ledger')
),
rel AS MATERIALIZED (
    SELECT c.* FROM pg_class c
    WHERE c.relnamespace IN (SELECT oid FROM space) AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
        AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_class'::regclass, c.oid)) /*around c.oid*/
),
-- Without those that PostgreSQL makes itself: of arrays, of multiranges, of a table's rows.
kind AS MATERIALIZED (
    SELECT t.* FROM pg_type t
    WHERE t.typnamespace IN (SELECT oid FROM space) AND t.typtype <> 'm'
        AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)
        AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
        AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_type'::regclass, t.oid)) /*around t.oid*/
),
object AS (
