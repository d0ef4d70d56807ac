-- What migrations seldom touch: when one of these changes, everything is read.

-- operators; a shell, which only another's negator or commutator names, is none
SELECT NULL, 'pg_operator'::regclass, o.oid, 0, 0, 0, concat_ws(' ',
    'FUNCTION', o.oprcode::oid::regprocedure, 'RETURNS', format_type(o.oprresult, NULL),
    'COMMUTATOR ' || nullif(o.oprcom, 0)::regoperator, 'NEGATOR ' || nullif(o.oprnegate, 0)::regoperator,
    'RESTRICT ' || nullif(o.oprrest, 0)::oid::regproc, 'JOIN ' || nullif(o.oprjoin, 0)::oid::regproc,
    CASE WHEN o.oprcanmerge THEN 'MERGES' END, CASE WHEN o.oprcanhash THEN 'HASHES' END)
FROM pg_operator o JOIN space s ON s.oid = o.oprnamespace AND o.oprcode <> 0
WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_operator'::regclass, o.oid))

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
WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_collation'::regclass, c.oid))

UNION ALL -- conversions
SELECT NULL, 'pg_conversion'::regclass, c.oid, 0, 0, 0, concat_ws(' ',
    CASE WHEN c.condefault THEN 'DEFAULT' END, 'FOR', pg_encoding_to_char(c.conforencoding), 'TO',
    pg_encoding_to_char(c.contoencoding), 'FROM', c.conproc::oid::regprocedure)
FROM pg_conversion c JOIN space s ON s.oid = c.connamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_conversion'::regclass, c.oid))

UNION ALL -- extensions; pg_dump says no version, so that a database restored from it has the newest
SELECT NULL, 'pg_extension'::regclass, e.oid, 0, 0, 0, format('SCHEMA %I', n.nspname)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace

UNION ALL -- languages
SELECT NULL, 'pg_language'::regclass, l.oid, 0, 0, 0, concat_ws(' ',
    CASE WHEN l.lanpltrusted THEN 'TRUSTED' END, 'HANDLER ' || nullif(l.lanplcallfoid, 0)::regprocedure,
    'INLINE ' || nullif(l.laninline, 0)::regprocedure, 'VALIDATOR ' || nullif(l.lanvalidator, 0)::regprocedure)
FROM pg_language l
WHERE l.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_language'::regclass, l.oid))

UNION ALL -- transforms
SELECT NULL, 'pg_transform'::regclass, t.oid, 0, 0, 0,
    concat_ws(' ', 'FROM SQL', t.trffromsql::oid::regprocedure, 'TO SQL', t.trftosql::oid::regprocedure)
FROM pg_transform t WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_transform'::regclass, t.oid))

UNION ALL -- access methods
SELECT NULL, 'pg_am'::regclass, a.oid, 0, 0, 0, concat_ws(' ', 'TYPE', a.amtype, 'HANDLER', a.amhandler)
FROM pg_am a WHERE a.oid >= 16384 AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_am'::regclass, a.oid))

UNION ALL -- event triggers
SELECT NULL, 'pg_event_trigger'::regclass, e.oid, 0, 0, 0, concat_ws(' ', 'ON', e.evtevent,
    'WHEN TAG IN (' || (SELECT string_agg(t, ', ' ORDER BY t) FROM unnest(e.evttags) t) || ')',
    'EXECUTE', e.evtfoid::regprocedure,
    CASE e.evtenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' END)
FROM pg_event_trigger e WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_event_trigger'::regclass, e.oid))

UNION ALL -- text search
SELECT NULL, 'pg_ts_config'::regclass, c.oid, 0, 0, 0, concat_ws(' ',
    'PARSER', (pg_identify_object('pg_ts_parser'::regclass, c.cfgparser, 0)).identity,
    (SELECT string_agg(k.alias || ': ' || k.dictionaries, ', ' ORDER BY k.alias) FROM (
        SELECT t.alias, string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno) AS dictionaries
        FROM pg_ts_config_map m JOIN ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype
        WHERE m.mapcfg = c.oid GROUP BY t.alias) k))
FROM pg_ts_config c JOIN space s ON s.oid = c.cfgnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_ts_config'::regclass, c.oid))
UNION ALL
SELECT NULL, 'pg_ts_dict'::regclass, d.oid, 0, 0, 0, concat_ws(' ',
    'TEMPLATE', (pg_identify_object('pg_ts_template'::regclass, d.dicttemplate, 0)).identity, d.dictinitoption)
FROM pg_ts_dict d JOIN space s ON s.oid = d.dictnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_ts_dict'::regclass, d.oid))
UNION ALL
SELECT NULL, 'pg_ts_parser'::regclass, p.oid, 0, 0, 0,
    concat_ws(' ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype)
FROM pg_ts_parser p JOIN space s ON s.oid = p.prsnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_ts_parser'::regclass, p.oid))
UNION ALL
SELECT NULL, 'pg_ts_template'::regclass, t.oid, 0, 0, 0, concat_ws(' ', t.tmplinit, t.tmpllexize)
FROM pg_ts_template t JOIN space s ON s.oid = t.tmplnamespace
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_ts_template'::regclass, t.oid))

UNION ALL -- foreign data; a user mapping without its options, which hold passwords
SELECT NULL, 'pg_foreign_data_wrapper'::regclass, f.oid, 0, 0, 0, concat_ws(' ',
    'HANDLER ' || nullif(f.fdwhandler, 0)::regproc, 'VALIDATOR ' || nullif(f.fdwvalidator, 0)::regproc,
    'OPTIONS (' || array_to_string(f.fdwoptions, ', ') || ')')
FROM pg_foreign_data_wrapper f
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_foreign_data_wrapper'::regclass, f.oid))
UNION ALL
SELECT NULL, 'pg_foreign_server'::regclass, f.oid, 0, 'pg_foreign_data_wrapper'::regclass, f.srvfdw, concat_ws(' ',
    'WRAPPER', (SELECT fdwname FROM pg_foreign_data_wrapper WHERE oid = f.srvfdw), 'TYPE ' || f.srvtype,
    'VERSION ' || f.srvversion, 'OPTIONS (' || array_to_string(f.srvoptions, ', ') || ')')
FROM pg_foreign_server f
WHERE NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = ('pg_foreign_server'::regclass, f.oid))
UNION ALL
SELECT NULL, 'pg_user_mapping'::regclass, u.umid, 0, 'pg_foreign_server'::regclass, u.srvid, ''
FROM pg_user_mappings u
