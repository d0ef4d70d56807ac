-- Types, functions, operators and what is made of them.

-- types
SELECT NULL AS aspect, 'pg_type'::regclass::oid AS class, t.oid AS object, 0 AS sub,
    0::oid AS parent_class, 0::oid AS parent,
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
    END AS definition
FROM kind t

UNION ALL -- constraints of domains
SELECT NULL, 'pg_constraint'::regclass, c.oid, 0, 'pg_type'::regclass, t.oid, pg_get_constraintdef(c.oid)
FROM kind t JOIN pg_constraint c ON c.contypid = t.oid
-- NOT NULL is the type's, unless it has a name of its own, from 17 on.
WHERE c.contype <> 'n' OR c.conname <> format('%s_not_null', t.typname)

UNION ALL -- functions, procedures, window functions
SELECT NULL, 'pg_proc'::regclass, p.oid, 0, 0, 0, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN space s ON s.oid = p.pronamespace
WHERE p.prokind <> 'a' AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_proc'::regclass, p.oid))
    -- PostgreSQL makes a range type's constructors.
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid, d.deptype) = ('pg_proc'::regclass, p.oid, 'i'))

UNION ALL -- aggregates
SELECT NULL, 'pg_proc'::regclass, p.oid, 0, 0, 0, concat_ws(' ',
    'AGGREGATE (' || pg_get_function_arguments(p.oid) || ') RETURNS', format_type(p.prorettype, NULL), 'PARALLEL', p.proparallel,
    (SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM jsonb_each_text(to_jsonb(a)
        - 'aggfnoid' - 'aggtranstype' - 'aggmtranstype' - 'aggsortop')),
    'STYPE', format_type(a.aggtranstype, NULL), 'MSTYPE', format_type(a.aggmtranstype, NULL),
    'SORTOP ' || nullif(a.aggsortop, 0)::regoperator)
FROM pg_proc p JOIN space s ON s.oid = p.pronamespace JOIN pg_aggregate a ON a.aggfnoid = p.oid
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_proc'::regclass, p.oid))

UNION ALL -- operators
SELECT NULL, 'pg_operator'::regclass, o.oid, 0, 0, 0, concat_ws(' ',
    'FUNCTION', o.oprcode::oid::regprocedure, 'RETURNS', format_type(o.oprresult, NULL),
    'COMMUTATOR ' || nullif(o.oprcom, 0)::regoperator, 'NEGATOR ' || nullif(o.oprnegate, 0)::regoperator,
    'RESTRICT ' || nullif(o.oprrest, 0)::oid::regproc, 'JOIN ' || nullif(o.oprjoin, 0)::oid::regproc,
    CASE WHEN o.oprcanmerge THEN 'MERGES' END, CASE WHEN o.oprcanhash THEN 'HASHES' END)
FROM pg_operator o JOIN space s ON s.oid = o.oprnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_operator'::regclass, o.oid))

UNION ALL -- operator families, with their operators and functions
SELECT NULL, 'pg_opfamily'::regclass, f.oid, 0, 0, 0,
    concat_ws(', ',
        (SELECT string_agg(concat_ws(' ', 'OPERATOR', o.amopstrategy, o.amopopr::regoperator,
                'ORDER BY ' || (SELECT (pg_identify_object('pg_opfamily'::regclass, nullif(o.amopsortfamily, 0), 0)).identity)),
            ', ' ORDER BY o.amoplefttype::regtype::text, o.amoprighttype::regtype::text, o.amopstrategy)
        FROM pg_amop o WHERE o.amopfamily = f.oid),
        (SELECT string_agg(concat_ws(' ', 'FUNCTION', a.amprocnum, a.amproclefttype::regtype, a.amprocrighttype::regtype,
            a.amproc::oid::regprocedure), ', ' ORDER BY a.amproclefttype::regtype::text, a.amprocrighttype::regtype::text, a.amprocnum)
        FROM pg_amproc a WHERE a.amprocfamily = f.oid))
FROM pg_opfamily f JOIN space s ON s.oid = f.opfnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_opfamily'::regclass, f.oid))

UNION ALL -- operator classes
SELECT NULL, 'pg_opclass'::regclass, o.oid, 0, 0, 0, concat_ws(' ',
    CASE WHEN o.opcdefault THEN 'DEFAULT' END, 'FOR TYPE', format_type(o.opcintype, NULL),
    'FAMILY', (pg_identify_object('pg_opfamily'::regclass, o.opcfamily, 0)).identity,
    'STORAGE ' || nullif(o.opckeytype, 0)::regtype)
FROM pg_opclass o JOIN space s ON s.oid = o.opcnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_opclass'::regclass, o.oid))

UNION ALL -- casts
SELECT NULL, 'pg_cast'::regclass, c.oid, 0, 0, 0, concat_ws(' ',
    CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END,
    CASE c.castcontext WHEN 'a' THEN 'AS ASSIGNMENT' WHEN 'i' THEN 'AS IMPLICIT' END)
FROM pg_cast c
WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_cast'::regclass, c.oid))
    -- PostgreSQL makes the cast from a range to its multirange.
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid, d.deptype) = ('pg_cast'::regclass, c.oid, 'i'))

UNION ALL -- collations; a copy of "C" is for any encoding, and one by that name for the database's
SELECT NULL, 'pg_collation'::regclass, c.oid, 0, 0, 0,
    (SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM jsonb_each_text(to_jsonb(c)
        - 'oid' - 'collname' - 'collnamespace' - 'collowner' - 'collversion' - 'collencoding'))
FROM pg_collation c JOIN space s ON s.oid = c.collnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_collation'::regclass, c.oid))

UNION ALL -- conversions
SELECT NULL, 'pg_conversion'::regclass, c.oid, 0, 0, 0, concat_ws(' ',
    CASE WHEN c.condefault THEN 'DEFAULT' END, 'FOR', pg_encoding_to_char(c.conforencoding), 'TO',
    pg_encoding_to_char(c.contoencoding), 'FROM', c.conproc::oid::regprocedure)
FROM pg_conversion c JOIN space s ON s.oid = c.connamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_conversion'::regclass, c.oid))
