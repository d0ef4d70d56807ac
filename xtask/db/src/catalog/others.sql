-- What belongs to the database as a whole, and what is said of other objects: comments, labels, grants.

-- extensions
SELECT NULL AS aspect, 'pg_extension'::regclass::oid AS class, e.oid AS object, 0 AS sub,
    0::oid AS parent_class, 0::oid AS parent, format('VERSION %s SCHEMA %I', e.extversion, n.nspname) AS definition
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

UNION ALL -- publications
SELECT NULL, 'pg_publication'::regclass, p.oid, 0, 0, 0, concat_ws(' ',
    (SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM jsonb_each_text(to_jsonb(p) - 'oid' - 'pubname' - 'pubowner')),
    {published})
FROM pg_publication p

UNION ALL -- comments; those of initdb are not ours, but for the one on schema public (oid 2200)
SELECT 'comment', d.classoid, d.objoid, d.objsubid, d.classoid, d.objoid, d.description
FROM pg_description d
WHERE (d.objoid >= 16384 OR (d.objoid = 2200 AND d.classoid = 'pg_namespace'::regclass))
    AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = (d.classoid, d.objoid))

UNION ALL -- security labels
SELECT 'security label', l.classoid, l.objoid, l.objsubid, l.classoid, l.objoid, string_agg(l.provider || ': ' || l.label, E'\n')
FROM pg_seclabel l GROUP BY l.classoid, l.objoid, l.objsubid

UNION ALL -- grants, as far as they are not what a new object has. Who granted is not compared, and the owner has no name.
SELECT 'grants', a.class, a.object, a.sub, a.class, a.object, g.definition
FROM (
    SELECT 'pg_class'::regclass AS class, oid AS object, 0 AS sub, relacl AS acl, relowner AS owner,
        CASE relkind WHEN 'S' THEN 's' ELSE 'r' END AS type
        FROM pg_class WHERE relnamespace <> 'information_schema'::regnamespace
    UNION ALL SELECT 'pg_class'::regclass, c.oid, a.attnum, a.attacl, c.relowner, 'c'
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL SELECT 'pg_proc'::regclass, oid, 0, proacl, proowner, 'f' FROM pg_proc
    UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, nspacl, nspowner, 'n'
        FROM pg_namespace WHERE nspname <> 'information_schema'
    UNION ALL SELECT 'pg_type'::regclass, oid, 0, typacl, typowner, 'T' FROM pg_type
    UNION ALL SELECT 'pg_language'::regclass, oid, 0, lanacl, lanowner, 'l' FROM pg_language
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwacl, fdwowner, 'F' FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 0, srvacl, srvowner, 'S' FROM pg_foreign_server
) a
LEFT JOIN pg_init_privs i ON (i.classoid, i.objoid, i.objsubid) = (a.class, a.object, a.sub)
CROSS JOIN LATERAL (
    SELECT string_agg(concat(change, ' ', privilege_type, CASE change WHEN 'GRANT' THEN ' TO ' ELSE ' FROM ' END, grantee,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END), '; ' ORDER BY change, grantee, privilege_type) AS definition
    FROM (
        (SELECT 'GRANT' AS change, x.privilege_type, {grantee}, x.is_grantable FROM aclexplode(a.acl) x
            EXCEPT SELECT 'GRANT', x.privilege_type, {first_grantee}, x.is_grantable
            FROM aclexplode(coalesce(i.initprivs, acldefault(a.type::"char", a.owner))) x)
        UNION ALL
        (SELECT 'REVOKE', x.privilege_type, {first_grantee}, x.is_grantable
            FROM aclexplode(coalesce(i.initprivs, acldefault(a.type::"char", a.owner))) x
            EXCEPT SELECT 'REVOKE', x.privilege_type, {grantee}, x.is_grantable FROM aclexplode(a.acl) x)
    ) changes
) g
WHERE a.acl IS NOT NULL AND a.acl IS DISTINCT FROM i.initprivs AND g.definition IS NOT NULL
