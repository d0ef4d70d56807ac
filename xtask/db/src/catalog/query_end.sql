SELECT coalesce(json_agg(json_build_array(x.class, x.object, x.kind, x.name, x.parent_kind, x.parent_name, x.definition)), '[]') FROM (
    SELECT o.class::int8, o.object::int8, coalesce(o.aspect, i.type) AS kind,
        concat(CASE WHEN o.aspect <> 'column order' THEN i.type || ' ' END, i.identity) AS name,
        p.type AS parent_kind, p.identity AS parent_name, coalesce(o.definition, '') AS definition
    FROM object o
    CROSS JOIN LATERAL pg_identify_object(o.class, o.object, o.sub) i0
    LEFT JOIN LATERAL pg_identify_object(nullif(o.parent_class, 0), o.parent, CASE WHEN o.aspect IS NULL THEN 0 ELSE o.sub END) p0 ON true
    -- "table column", "view column", "foreign table column" are all columns to us. A transform is "on language" or, from
    -- some version on, "language".
    CROSS JOIN LATERAL (SELECT CASE WHEN i0.type LIKE ANY ('{%table column, %view column}') THEN 'column' ELSE i0.type END AS type,
        CASE i0.type WHEN 'transform' THEN regexp_replace(i0.identity, '^(for .*) on language ', '\1 language ')
            ELSE i0.identity END AS identity) i
    CROSS JOIN LATERAL (SELECT CASE WHEN p0.type LIKE ANY ('{%table column, %view column}') THEN 'column' ELSE p0.type END AS type,
        CASE p0.type WHEN 'transform' THEN regexp_replace(p0.identity, '^(for .*) on language ', '\1 language ')
            ELSE p0.identity END AS identity) p
    WHERE (i0.identity NOT LIKE '%db\_ledger%' OR i0.identity !~ '(^|[ (])db_ledger(\.|$)')
        AND (i0.identity NOT LIKE '%\_\_diesel\_schema\_migrations%' OR i0.identity !~ '\m__diesel_schema_migrations')
    UNION ALL -- default privileges, by role, schema and kind of object
    SELECT 'pg_default_acl'::regclass::oid::int8, a.oid::int8, 'default privileges',
        concat_ws(' ', CASE WHEN a.defaclrole IN (d.datdba, me.oid) THEN 'of the owner' ELSE 'of ' || pg_get_userbyid(a.defaclrole) END,
            'in schema ' || nullif(a.defaclnamespace, 0)::regnamespace, 'on',
            CASE a.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' WHEN 'L' THEN 'large objects' ELSE a.defaclobjtype::text END),
        NULL, NULL,
        coalesce((SELECT string_agg(concat(e.privilege_type, ' TO ', e.grantee, CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' END),
                '; ' ORDER BY e.grantee, e.privilege_type)
            FROM (SELECT x.privilege_type, x.is_grantable, {grantee} FROM aclexplode(a.defaclacl) x) e), '')
    FROM (SELECT *, defaclrole AS owner FROM pg_default_acl) a,
        (SELECT datdba FROM pg_database WHERE datname = current_database()) d,
        (SELECT oid FROM pg_roles WHERE rolname = current_user) me
    WHERE (a.defaclnamespace = 0 OR a.defaclnamespace IN (SELECT oid FROM space)) /*touched a.oid*/
) x
