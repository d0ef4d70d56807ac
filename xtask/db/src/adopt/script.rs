//! What `pg_dump` writes, made into a migration: one that sets nothing for the session, names no owner, and can be undone.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::catalog::dump::statements_of;
use crate::check::unsafe_ddl;
use crate::pg::{Connection, Ident, Literal, SqlError};
use crate::sql::statements::{names, place_of, starts, words};

/// The texts of the first migration.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) up: String,
    pub(super) down: String,
    /// What a person should know of them.
    pub(super) notes: Vec<String>,
}

/// The roles that grants, policies and default privileges of a database may name.
#[derive(Debug, Deserialize)]
pub(super) struct Roles {
    /// Owner of the database, and who we are: what they grant by default, the migration's own role grants.
    own: Vec<String>,
    all: Vec<String>,
}

impl Roles {
    /// # Errors
    /// The server's.
    pub(super) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        // The first superuser (oid 10) is in no list of dependencies.
        connection.query_json(
            "SELECT json_build_object(
                'own', json_build_array(pg_get_userbyid(d.datdba), current_user),
                'all', (SELECT coalesce(json_agg(r.rolname ORDER BY r.rolname), '[]') FROM pg_roles r
                    WHERE r.oid = 10 OR EXISTS (SELECT FROM pg_shdepend s
                        WHERE s.dbid = d.oid AND (s.refclassid, s.refobjid) = ('pg_authid'::regclass, r.oid))))
             FROM pg_database d WHERE d.datname = current_database()",
            &[],
        )
    }
}

impl Script {
    /// Makes a migration of the same schema written without and with the statements that drop it; `None` where the two
    /// do not belong together, since the schema changed between them.
    pub(super) fn new(created: &str, dropped: &str, roles: &Roles) -> Option<Self> {
        let (created, dropped) = (statements_of(created), statements_of(dropped));
        let (created, dropped) = (without_head(&created), without_head(&dropped));
        let number = dropped.len().checked_sub(created.len())?;
        if dropped[number..] != *created {
            return None;
        }
        let mut notes = Vec::new();
        let sets_method = created
            .iter()
            .any(|sql| table_access_method(sql).is_some_and(|method| method != "heap"));
        let body: Vec<_> = created
            .iter()
            .filter_map(|sql| kept(sql, sets_method, roles, &mut notes))
            .collect();
        let drops = dropped[..number].iter();
        let drops = drops
            .filter(|sql| !is_noise(sql) && !goes_with_parent(sql, created))
            .cloned();
        let reversed = body.iter().rev().filter_map(|sql| reverse(sql));
        let down: Vec<_> = reversed.chain(drops).collect();
        let mut up = made_roles(&body, roles, &mut notes);
        // pg_dump writes a function before the tables that its text names.
        if body.iter().any(|sql| is_function(sql)) {
            up.push("SET LOCAL check_function_bodies = false;".to_owned());
        }
        up.extend(body);
        Some(Self {
            up: up.join("\n\n"),
            down: down.join("\n"),
            notes,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.up.is_empty()
    }

    /// Puts comments before the statements that `db check` would object to: the database is so, whatever one would
    /// choose today.
    pub(super) fn acknowledge(&mut self, postgres: &str) {
        let found = unsafe_ddl(&self.up, postgres);
        let starts = starts(&self.up);
        let lines: Vec<_> = starts
            .iter()
            .map(|start| place_of(&self.up, *start).line)
            .collect();
        let mut up = String::new();
        for (index, &start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(self.up.len());
            let next = lines.get(index + 1).copied().unwrap_or(usize::MAX);
            let its = found
                .iter()
                .filter(|(_, line)| (lines[index]..next).contains(line));
            let rules: BTreeSet<_> = its.map(|(rule, _)| *rule).collect();
            if !rules.is_empty() {
                let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
                up.push_str(&format!(
                    "-- db-check-ignore {rules}: the database was like this when it was taken over\n"
                ));
            }
            up.push_str(&self.up[start..end]);
        }
        self.up = up;
    }
}

/// Without the settings at the top, which come before the statements that drop, too.
fn without_head(statements: &[String]) -> &[String] {
    let is_head = |sql: &&String| is_noise(sql) && !sql.starts_with("SET default_");
    &statements[statements.iter().take_while(is_head).count()..]
}

fn begins(sql: &str, with: &[&str]) -> bool {
    words(sql, 0, with.len()) == with
}

/// Settings of the session, which would outlive the migration; comments of extensions, which they bring themselves and
/// which only their owner may write.
fn is_noise(sql: &str) -> bool {
    begins(sql, &["set"])
        || begins(sql, &["reset"])
        || sql.starts_with("SELECT pg_catalog.set_config('search_path'")
        || begins(sql, &["comment", "on", "extension"])
}

/// Whether a statement drops what a partition has from its parent, which goes with the parent's, and can't go by itself.
fn goes_with_parent(drop: &str, created: &[String]) -> bool {
    let index = drop.strip_prefix("DROP INDEX ").map(str::to_owned);
    let constraint = drop.rsplit_once(" DROP CONSTRAINT ");
    let constraint = constraint.map(|(_, name)| format!(".{name}"));
    let Some(name) = index.or(constraint) else {
        return false;
    };
    let mut attached = created
        .iter()
        .filter(|sql| begins(sql, &["alter", "index"]));
    attached.any(|sql| {
        sql.split_once(" ATTACH PARTITION ")
            .is_some_and(|(_, part)| part.ends_with(&name))
    })
}

fn is_function(sql: &str) -> bool {
    begins(sql, &["create", "function"]) || begins(sql, &["create", "procedure"])
}

/// The method in `SET default_table_access_method = method;`.
fn table_access_method(sql: &str) -> Option<&str> {
    let method = sql.strip_prefix("SET default_table_access_method = ")?;
    Some(method.trim_end_matches(';'))
}

/// A statement as the migration has it, if it has it.
fn kept(sql: &str, sets_method: bool, roles: &Roles, notes: &mut Vec<String>) -> Option<String> {
    if sets_method && table_access_method(sql).is_some() {
        return Some(sql.replacen("SET ", "SET LOCAL ", 1));
    }
    if is_noise(sql) {
        return None;
    }
    if begins(sql, &["create", "user", "mapping"])
        && let Some((before, _)) = sql.split_once(" OPTIONS (")
    {
        notes.push(format!(
            "left out: the options of a user mapping, which may hold a password ({})",
            before.trim_start_matches("CREATE ").to_lowercase()
        ));
        return Some(format!("{before};"));
    }
    if let Some(rest) = sql.strip_prefix("ALTER DEFAULT PRIVILEGES FOR ROLE ") {
        let rest_of = |role: &String| {
            let quoted = Ident(role).to_string();
            let spellings = [role.as_str(), quoted.as_str()];
            let mut spellings = spellings.into_iter();
            spellings.find_map(|role| rest.strip_prefix(role)?.strip_prefix(' '))
        };
        if let Some(rest) = roles.own.iter().find_map(rest_of) {
            return Some(format!("ALTER DEFAULT PRIVILEGES {rest}"));
        }
    }
    Some(sql.to_owned())
}

/// Roles belong to the server, so a new one does not have them.
fn made_roles(body: &[String], roles: &Roles, notes: &mut Vec<String>) -> Vec<String> {
    let with_roles = [
        &["grant"][..],
        &["revoke"],
        &["create", "policy"],
        &["create", "user", "mapping"],
        &["alter", "default", "privileges"],
    ];
    let is_named = |role: &&String| {
        body.iter()
            .filter(|sql| with_roles.iter().any(|with| begins(sql, with)))
            .any(|sql| names(sql, role))
    };
    let named: Vec<_> = roles.all.iter().filter(is_named).collect();
    if !named.is_empty() {
        let list: Vec<_> = named.iter().map(|role| format!("`{role}`")).collect();
        notes.push(format!(
            "up.sql creates the roles that grants and policies name where a server lacks them, without login: {}",
            list.join(", ")
        ));
    }
    let make = |role: &&String| {
        format!(
            "DO $$ BEGIN\n    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) THEN\n        CREATE ROLE {};\n    END IF;\nEND $$;",
            Literal(role),
            Ident(role)
        )
    };
    named.iter().map(make).collect()
}

/// The statement that undoes one which no DROP undoes: it is about what `initdb` made, or about what is made later.
fn reverse(sql: &str) -> Option<String> {
    if begins(sql, &["comment", "on", "schema", "public"]) {
        return Some("COMMENT ON SCHEMA public IS 'standard public schema';".to_owned());
    }
    let sql = sql
        .trim_end_matches(';')
        .trim_end_matches(" WITH GRANT OPTION");
    let of_initdb = [" ON SCHEMA public ", " ON LANGUAGE ", " pg_catalog."];
    let is_grant = begins(sql, &["grant"]) || begins(sql, &["revoke"]);
    let by_default = begins(sql, &["alter", "default", "privileges"]);
    let is_about_initdb = is_grant && of_initdb.iter().any(|part| sql.contains(part));
    if !by_default && !is_about_initdb {
        return None;
    }
    let at = match sql.starts_with("GRANT ") || sql.starts_with("REVOKE ") {
        true => 0,
        // Behind the schema, whose name may hold anything.
        false => {
            [" GRANT ", " REVOKE "]
                .iter()
                .filter_map(|word| sql.rfind(word))
                .max()?
                + 1
        }
    };
    let (before, change) = sql.split_at(at);
    let change = match change.strip_prefix("GRANT ") {
        Some(granted) => {
            let (what, role) = granted.rsplit_once(" TO ")?;
            format!("REVOKE {what} FROM {role};")
        }
        None => {
            let revoked = change.strip_prefix("REVOKE ")?;
            let (what, role) = revoked.rsplit_once(" FROM ")?;
            format!("GRANT {what} TO {role};")
        }
    };
    Some(format!("{before}{change}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> Roles {
        Roles {
            own: vec!["me".to_owned()],
            all: vec!["me".to_owned(), "reader".to_owned(), "t".to_owned()],
        }
    }

    const HEAD: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped by\n\nSET client_encoding = 'UTF8';\n\
        SELECT pg_catalog.set_config('search_path', '', false);\n\n";

    #[test]
    fn what_is_in_a_body_stays() {
        let function = "CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql AS $$\n-- Name: x\nSET a = 1;\n\\restrict\n$$;";
        let created = format!(
            "{HEAD}--\n-- Name: f()\n--\n\n{function}\n\n\n--\n-- done\n--\n\n\\unrestrict abc\n"
        );
        let dropped = format!("{HEAD}DROP FUNCTION public.f();\n{function}\n\\unrestrict abc\n");
        let script = Script::new(&created, &dropped, &roles()).unwrap();
        assert_eq!(
            script.up,
            format!("SET LOCAL check_function_bodies = false;\n\n{function}")
        );
        assert_eq!(script.down, "DROP FUNCTION public.f();");
        assert!(script.notes.is_empty());
        let other = format!("{HEAD}DROP FUNCTION public.f();\nCREATE TABLE public.u ();\n");
        assert!(Script::new(&created, &other, &roles()).is_none());
    }

    #[test]
    fn roles_are_made_and_own_default_privileges_name_nobody() {
        let created = "CREATE TABLE public.t ();\nGRANT SELECT ON TABLE public.t TO reader;\n\
            ALTER DEFAULT PRIVILEGES FOR ROLE me IN SCHEMA public GRANT SELECT ON TABLES TO reader;\n";
        let script = Script::new(
            created,
            &format!("DROP TABLE public.t;\n{created}"),
            &roles(),
        )
        .unwrap();
        assert!(script.up.contains("CREATE ROLE \"reader\";") && !script.up.contains("\"me\""));
        assert!(script.up.ends_with(
            "\n\nALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;"
        ));
        assert_eq!(
            script.down,
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM reader;\nDROP TABLE public.t;"
        );
    }

    #[test]
    fn what_no_drop_undoes_is_reversed() {
        for (sql, back) in [
            (
                "REVOKE USAGE ON SCHEMA public FROM PUBLIC;",
                Some("GRANT USAGE ON SCHEMA public TO PUBLIC;"),
            ),
            (
                "GRANT ALL ON SCHEMA public TO a WITH GRANT OPTION;",
                Some("REVOKE ALL ON SCHEMA public FROM a;"),
            ),
            (
                "ALTER DEFAULT PRIVILEGES IN SCHEMA \" GRANT \" REVOKE ALL ON FUNCTIONS FROM PUBLIC;",
                Some(
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA \" GRANT \" GRANT ALL ON FUNCTIONS TO PUBLIC;",
                ),
            ),
            (
                "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO a WITH GRANT OPTION;",
                Some("ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM a;"),
            ),
            (
                "COMMENT ON SCHEMA public IS 'ours';",
                Some("COMMENT ON SCHEMA public IS 'standard public schema';"),
            ),
            ("GRANT SELECT ON TABLE public.t TO a;", None),
            ("CREATE TABLE public.t ();", None),
        ] {
            assert_eq!(reverse(sql).as_deref(), back, "{sql}");
        }
    }

    #[test]
    fn passwords_of_user_mappings_are_left_out() {
        let sql = "CREATE USER MAPPING FOR reader SERVER s OPTIONS (\n    password 's3cr3t',\n    \"user\" 'x'\n);";
        let script = Script::new(sql, sql, &roles()).unwrap();
        assert!(
            script
                .up
                .ends_with("CREATE USER MAPPING FOR reader SERVER s;")
                && !script.up.contains("s3cr3t")
        );
        assert_eq!(script.notes.len(), 2, "{:?}", script.notes);
    }
}
