-- What the definitions of changed objects are a part of: whatever depends on them, and what they are an inner part of,
-- such as the constraint that an index or a trigger is for, the table of a default, or a publication.
touched(class, object) AS (
    SELECT * FROM unnest($1::oid[], $2::oid[])
    UNION
    SELECT e.class, e.object FROM touched t CROSS JOIN LATERAL (
        SELECT d.classid, d.objid FROM pg_depend d WHERE (d.refclassid, d.refobjid) = (t.class, t.object)
        UNION ALL
        SELECT d.refclassid, d.refobjid FROM pg_depend d WHERE (d.classid, d.objid) = (t.class, t.object)
            AND (d.deptype = 'i' OR d.classid = 'pg_attrdef'::regclass
                OR (d.classid, d.refclassid) = ('pg_publication_rel'::regclass, 'pg_publication'::regclass))
    ) e (class, object)
),
-- An oid may be that of two objects in two catalogs: then both are read.
list AS MATERIALIZED (SELECT ARRAY(SELECT object FROM touched) AS oids),
-- The tables and domains of what is touched.
around AS MATERIALIZED (
    SELECT ARRAY(
        SELECT unnest(oids) FROM list
        UNION SELECT unnest(ARRAY[conrelid, contypid]) FROM pg_constraint WHERE oid = ANY ((SELECT oids FROM list)::oid[])
        UNION SELECT indrelid FROM pg_index WHERE indexrelid = ANY ((SELECT oids FROM list)::oid[])
        UNION SELECT tgrelid FROM pg_trigger WHERE oid = ANY ((SELECT oids FROM list)::oid[])
        UNION SELECT ev_class FROM pg_rewrite WHERE oid = ANY ((SELECT oids FROM list)::oid[])
        UNION SELECT polrelid FROM pg_policy WHERE oid = ANY ((SELECT oids FROM list)::oid[])
        UNION SELECT stxrelid FROM pg_statistic_ext WHERE oid = ANY ((SELECT oids FROM list)::oid[])
    ) AS oids
),
