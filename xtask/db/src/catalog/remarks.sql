-- What is said of other objects: publications, comments, labels, grants.

-- publications
SELECT NULL, 'pg_publication'::regclass, p.oid, 0, 0, 0, concat_ws(' ',
    (SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM jsonb_each_text(to_jsonb(p) - 'oid' - 'pubname' - 'pubowner')),
    {published})
FROM pg_publication p WHERE true /*touched p.oid*/

UNION ALL -- comments; those of initdb are not ours, but for the one on schema public (oid 2200)
SELECT 'comment', d.classoid, d.objoid, d.objsubid, d.classoid, d.objoid, d.description
FROM pg_description d
WHERE (d.objoid >= 16384 OR (d.objoid = 2200 AND d.classoid = 'pg_namespace'::regclass))
    AND NOT EXISTS (SELECT FROM member m WHERE (m.classid, m.objid) = (d.classoid, d.objoid)) /*touched d.objoid*/

UNION ALL -- security labels
SELECT 'security label', l.classoid, l.objoid, l.objsubid, l.classoid, l.objoid, string_agg(l.provider || ': ' || l.label, E'\n')
FROM pg_seclabel l WHERE true /*touched l.objoid*/ GROUP BY l.classoid, l.objoid, l.objsubid

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
WHERE a.acl IS NOT NULL AND a.acl IS DISTINCT FROM i.initprivs AND g.definition IS NOT NULL /*touched a.object*/
