//! What an administrator gives a role so that it may do all that the tool does with its database.

use crate::pg::Literal;

/// Gives a role what it lacks in the database that psql is on: CONNECT and CREATE, the first schema of its search path, and
/// the bookkeeping that another role has made.
const RIGHTS: &str = r#"DO $rights$
DECLARE
    the_role text := {role};
    the_path text := {path};
    the_schema text;
    statement text;
BEGIN
    IF the_path IS NULL THEN
        -- As at a login: the role in this database, the role, this database, the server.
        SELECT substring(setting FROM '^search_path=(.*)$') INTO the_path
        FROM pg_db_role_setting s, unnest(s.setconfig) setting
        WHERE setting LIKE 'search_path=%'
          AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
          AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = the_role))
        ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC LIMIT 1;
        the_path := coalesce(the_path, (SELECT boot_val FROM pg_settings WHERE name = 'search_path'));
    END IF;
    WITH path AS (
        SELECT n, CASE WHEN word = '"$user"' OR word = '$user' THEN the_role
                       WHEN word LIKE '"%' THEN replace(substr(word, 2, length(word) - 2), '""', '"')
                       ELSE lower(word) END AS name, word LIKE '%$user%' AS is_user
        FROM regexp_matches(the_path, '"(?:[^"]|"")+"|[^,\s"]+', 'g') WITH ORDINALITY m (words, n), unnest(m.words) word
    )
    SELECT name INTO the_schema FROM path LEFT JOIN pg_namespace ON nspname = name
    WHERE nspname IS NOT NULL OR NOT is_user ORDER BY nspname IS NULL, n LIMIT 1;
    FOR statement IN
        SELECT format('GRANT CONNECT, CREATE ON DATABASE %I TO %I', current_database(), the_role)
        WHERE NOT (has_database_privilege(the_role, current_database(), 'CONNECT')
                   AND has_database_privilege(the_role, current_database(), 'CREATE'))
        UNION ALL
        SELECT format('CREATE SCHEMA %I AUTHORIZATION %I', the_schema, the_role)
        WHERE to_regnamespace(quote_ident(the_schema)) IS NULL
        UNION ALL
        SELECT format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', nspname, the_role) FROM pg_namespace
        WHERE nspname = the_schema
          AND NOT (has_schema_privilege(the_role, oid, 'USAGE') AND has_schema_privilege(the_role, oid, 'CREATE'))
        UNION ALL
        SELECT format('ALTER SCHEMA %I OWNER TO %I', nspname, the_role) FROM pg_namespace
        WHERE nspname = 'db_ledger' AND NOT pg_has_role(the_role, nspowner, 'USAGE')
        UNION ALL
        SELECT format('ALTER TABLE %s OWNER TO %I', oid::regclass, the_role) FROM pg_class
        WHERE relkind = 'r' AND NOT pg_has_role(the_role, relowner, 'USAGE')
          AND (relnamespace = to_regnamespace('db_ledger')
               OR relname = '__diesel_schema_migrations' AND relnamespace = to_regnamespace(quote_ident(the_schema)))
    LOOP
        RAISE NOTICE '%', statement;
        EXECUTE statement;
    END LOOP;
END
$rights$;
"#;

/// The part of a script that gives `role` the rights that it lacks; `options` are those of the URL, as the server takes
/// them.
pub(crate) fn rights(role: &str, options: Option<&str>) -> String {
    let path = options.and_then(search_path);
    let path = path.map_or_else(|| "NULL".to_owned(), |path| Literal(&path).to_string());
    RIGHTS
        .replace("{role}", &Literal(role).to_string())
        .replace("{path}", &path)
}

/// The search path that the options of a URL give: `-c search_path=…`, or `--search_path=…`. The last one counts.
fn search_path(options: &str) -> Option<String> {
    let mut words = vec![String::new()];
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        let word = words.last_mut()?;
        match character {
            '\\' => word.extend(characters.next()),
            _ if character.is_whitespace() => words.push(String::new()),
            _ => word.push(character),
        }
    }
    let value = |word: &String| {
        let setting = word.strip_prefix("--").or_else(|| word.strip_prefix("-c"));
        let (name, value) = setting.unwrap_or(word).split_once('=')?;
        let is_path = name.replace('-', "_").eq_ignore_ascii_case("search_path");
        is_path.then(|| value.to_owned())
    };
    words.iter().filter_map(value).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_path_of_options_is_found() {
        for (options, path) in [
            ("-csearch_path=app", Some("app")),
            ("-c search_path=app", Some("app")),
            (
                "--search-path=app\\ one,b -c work_mem=1MB",
                Some("app one,b"),
            ),
            ("-c search_path=a -csearch_path=b", Some("b")),
            ("-c work_mem=1MB", None),
            ("", None),
        ] {
            assert_eq!(search_path(options).as_deref(), path, "{options}");
        }
    }
}
