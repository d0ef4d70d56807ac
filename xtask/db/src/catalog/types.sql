-- Types and functions.

-- types
SELECT NULL, 'pg_type'::regclass, t.oid, 0, 0, 0,
    CASE t.typtype
    WHEN 'e' THEN 'ENUM (' || coalesce((SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
        FROM pg_enum e WHERE e.enumtypid = t.oid), '') || ')'
    WHEN 'd' THEN concat_ws(' ', 'DOMAIN', format_type(t.typbasetype, t.typtypmod),
        CASE WHEN t.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)
            THEN 'COLLATE ' || nullif(t.typcollation, 0)::regcollation END,
        CASE WHEN t.typnotnull THEN 'NOT NULL' END,
        'DEFAULT ' || coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault))
    WHEN 'c' THEN 'COMPOSITE (' || coalesce((SELECT string_agg(concat_ws(' ',
            quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> b.typcollation THEN 'COLLATE ' || nullif(a.attcollation, 0)::regcollation END),
            ', ' ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')'
    WHEN 'r' THEN (SELECT concat_ws(' ', 'RANGE OF', format_type(g.rngsubtype, NULL),
            'COLLATE ' || nullif(g.rngcollation, 0)::regcollation,
            'OPCLASS ' || (pg_identify_object('pg_opclass'::regclass, g.rngsubopc, 0)).identity,
            'CANONICAL ' || nullif(g.rngcanonical, 0)::regproc, 'SUBDIFF ' || nullif(g.rngsubdiff, 0)::regproc,
            'MULTIRANGE ' || (to_jsonb(g)->>'rngmultitypid')::oid::regtype)
        FROM pg_range g WHERE g.rngtypid = t.oid)
    WHEN 'p' THEN 'SHELL'
    ELSE concat_ws(' ', 'BASE TYPE', t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze,
        'LENGTH', t.typlen, CASE WHEN t.typbyval THEN 'BY VALUE' END, 'ALIGN', t.typalign, 'STORAGE', t.typstorage,
        'CATEGORY', t.typcategory, CASE WHEN t.typispreferred THEN 'PREFERRED' END, 'DELIMITER', t.typdelim,
        'ELEMENT ' || nullif(t.typelem, 0)::regtype, 'DEFAULT ' || t.typdefault)
    END
FROM kind t WHERE true /*touched t.oid*/

UNION ALL -- constraints of domains
SELECT NULL, 'pg_constraint'::regclass, c.oid, 0, 'pg_type'::regclass, t.oid, pg_get_constraintdef(c.oid)
FROM kind t JOIN pg_constraint c ON c.contypid = t.oid /*touched c.oid*/
-- NOT NULL is the type's, unless it has a name of its own, from 17 on.
WHERE c.contype <> 'n' OR c.conname <> format('%s_not_null', t.typname)

UNION ALL -- functions, procedures, window functions
SELECT NULL, 'pg_proc'::regclass, p.oid, 0, 0, 0, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN space s ON s.oid = p.pronamespace
WHERE p.oid >= 16384 AND p.prokind <> 'a' /*touched p.oid*/ AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_proc'::regclass, p.oid))
    -- PostgreSQL makes a range type's constructors.
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid, d.deptype) = ('pg_proc'::regclass, p.oid, 'i'))

UNION ALL -- aggregates
SELECT NULL, 'pg_proc'::regclass, p.oid, 0, 0, 0, concat_ws(' ',
    'AGGREGATE (' || pg_get_function_arguments(p.oid) || ') RETURNS', format_type(p.prorettype, NULL), 'PARALLEL', p.proparallel,
    (SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM jsonb_each_text(to_jsonb(a)
        - 'aggfnoid' - 'aggtranstype' - 'aggmtranstype' - 'aggsortop')),
    'STYPE', format_type(a.aggtranstype, NULL), 'MSTYPE', format_type(a.aggmtranstype, NULL),
    'SORTOP ' || nullif(a.aggsortop, 0)::regoperator)
FROM pg_proc p JOIN space s ON s.oid = p.pronamespace JOIN pg_aggregate a ON a.aggfnoid = p.oid /*touched p.oid*/
WHERE p.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_proc'::regclass, p.oid))
