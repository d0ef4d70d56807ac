-- What no definition of an object in the database says. Only what is not as usual is listed: little, most of the time.
WITH own AS MATERIALIZED (
    SELECT d.*, (SELECT oid FROM pg_roles WHERE rolname = session_user) AS me
    FROM pg_database d WHERE d.datname = current_database()
),
space AS MATERIALIZED (
    SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)' AND nspname <> 'db_ledger'
),
owned (class, object, owner) AS (
    SELECT 'pg_class'::regclass, oid, relowner FROM pg_class
        WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND relnamespace IN (SELECT oid FROM space)
        AND relname <> '__diesel_schema_migrations'
    UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc WHERE pronamespace IN (SELECT oid FROM space)
    -- Neither rows of tables nor arrays.
    UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type t
        WHERE typnamespace IN (SELECT oid FROM space) AND typtype <> 'm' AND typelem = 0
        AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace WHERE oid IN (SELECT oid FROM space)
    UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, collowner FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner FROM pg_conversion
    UNION ALL SELECT 'pg_language'::regclass, oid, lanowner FROM pg_language
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner FROM pg_statistic_ext
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner FROM pg_ts_dict
    UNION ALL SELECT 'pg_publication'::regclass, oid, pubowner FROM pg_publication
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, evtowner FROM pg_event_trigger
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, fdwowner FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvowner FROM pg_foreign_server
),
said (aspect, class, object, definition) AS (
    -- owners, but of what initdb made and of an extension's members
    SELECT 'owner', class, object, pg_get_userbyid(owner)::text FROM owned, own
    WHERE (object >= 16384 OR object = 2200) AND owner <> me
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE (d.classid, d.objid, d.deptype) = (class, object, 'e'))

    UNION ALL -- DEPENDS ON EXTENSION
    SELECT 'extension that it depends on', d.classid, d.objid, string_agg(e.extname, ', ' ORDER BY e.extname)
    FROM pg_depend d JOIN pg_extension e ON (d.refclassid, d.refobjid) = ('pg_extension'::regclass, e.oid)
    WHERE d.deptype = 'x' GROUP BY d.classid, d.objid

    UNION ALL -- options of user mappings, which hold passwords: they are replaced before anybody sees them
    SELECT 'secret options', 'pg_user_mapping'::regclass, umid, array_to_string(umoptions, E'\n') FROM pg_user_mappings
    WHERE umoptions IS NOT NULL
)
SELECT coalesce(json_agg(json_build_array(0, 0, kind, name, parent_kind, parent_name, coalesce(definition, ''))), '[]') FROM (
    SELECT aspect AS kind, concat_ws(' ', 'of', i.type, i.identity) AS name, i.type AS parent_kind,
        i.identity AS parent_name, definition
    FROM said CROSS JOIN LATERAL pg_identify_object(class, object, 0) i

    UNION ALL -- the database itself
    SELECT 'database', 'itself', NULL, NULL, concat_ws(E'\n',
        'OWNER ' || CASE WHEN datdba <> me THEN pg_get_userbyid(datdba) END,
        'CONNECTION LIMIT ' || nullif(datconnlimit, -1),
        CASE WHEN datistemplate THEN 'IS_TEMPLATE' END,
        CASE WHEN NOT datallowconn THEN 'NO CONNECTIONS' END,
        'COMMENT ' || shobj_description(oid, 'pg_database'),
        (SELECT string_agg(format('SECURITY LABEL FOR %s %s', provider, label), E'\n' ORDER BY provider)
            FROM pg_shseclabel WHERE (classoid, objoid) = ('pg_database'::regclass, own.oid)),
        (SELECT string_agg(concat_ws(' ', 'GRANT', privilege_type, 'TO', CASE grantee WHEN 0 THEN 'PUBLIC'
                WHEN datdba THEN 'the owner' ELSE pg_get_userbyid(grantee)::text END,
                CASE WHEN is_grantable THEN 'WITH GRANT OPTION' END), E'\n' ORDER BY grantee = datdba, grantee, privilege_type)
            FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))))
    FROM own

    UNION ALL -- settings of the database, and of roles in it
    SELECT 'settings', concat_ws(' ', 'of the database', 'for ' || CASE WHEN setrole = me THEN 'the owner'
            WHEN setrole <> 0 THEN pg_get_userbyid(setrole) END), NULL, NULL,
        (SELECT string_agg(setting, E'\n' ORDER BY setting) FROM unnest(setconfig) setting)
    FROM pg_db_role_setting, own WHERE setdatabase = own.oid

    UNION ALL -- subscriptions; the connection holds a password
    SELECT 'subscription', subname, NULL, NULL, concat_ws(' ', CASE WHEN subenabled THEN 'ENABLED' END,
        'SLOT ' || subslotname, 'PUBLICATIONS ' || array_to_string(subpublications, ', '),
        'OWNER ' || CASE WHEN subowner <> me THEN pg_get_userbyid(subowner) END)
    FROM pg_subscription, own WHERE subdbid = own.oid

    UNION ALL -- large objects, without their numbers, which the server gives
    SELECT 'large objects', 'of the database', NULL, NULL, string_agg(definition, E'\n' ORDER BY definition)
    FROM (
        SELECT concat_ws(' ', 'a large object', 'OWNER ' || CASE WHEN lomowner <> me THEN pg_get_userbyid(lomowner) END, 'COMMENT ' || obj_description(l.oid, 'pg_largeobject'),
            (SELECT string_agg(concat_ws(' ', 'GRANT', privilege_type, 'TO', CASE grantee WHEN 0 THEN 'PUBLIC'
                    WHEN lomowner THEN 'the owner' ELSE pg_get_userbyid(grantee)::text END,
                    CASE WHEN is_grantable THEN 'WITH GRANT OPTION' END), ' ' ORDER BY grantee, privilege_type)
                FROM aclexplode(coalesce(lomacl, acldefault('L', lomowner))) WHERE grantee <> lomowner)) AS definition
        FROM pg_largeobject_metadata l, own
    ) l HAVING count(*) > 0
) x
