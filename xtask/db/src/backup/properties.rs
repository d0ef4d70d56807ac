//! What belongs to a database as a whole, and is in no dump of what is in it: encoding, locale, owner, grants, settings.

use serde::{Deserialize, Serialize};

use crate::pg::{Connection, Ident, Literal, SqlError, major};

/// The properties that `pg_dump --create` writes; security labels are not among ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Properties {
    pub(super) owner: String,
    encoding: String,
    collate: String,
    ctype: String,
    /// `c`: libc, `i`: ICU, `b`: built-in; `None` before PostgreSQL 15.
    provider: Option<String>,
    locale: Option<String>,
    icu_rules: Option<String>,
    /// Unless it is the server's default.
    tablespace: Option<String>,
    connection_limit: i64,
    comment: Option<String>,
    /// `None` where the defaults were never changed.
    grants: Option<Vec<Grant>>,
    settings: Vec<Setting>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Grant {
    grantor: String,
    /// `None`: PUBLIC.
    grantee: Option<String>,
    privilege: String,
    grantable: bool,
}

/// `ALTER DATABASE … SET`, or `ALTER ROLE … IN DATABASE … SET`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Setting {
    role: Option<String>,
    /// `name=value`, as the server keeps it.
    setting: String,
}

/// Columns came and went: from the row as JSON, a column that is not there is NULL.
const SELECT: &str = "
SELECT json_build_object(
  'owner', pg_get_userbyid(d.datdba), 'encoding', pg_encoding_to_char(d.encoding),
  'collate', d.datcollate, 'ctype', d.datctype, 'provider', to_jsonb(d)->>'datlocprovider',
  'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'), 'icu_rules', to_jsonb(d)->>'daticurules',
  'tablespace', (SELECT nullif(spcname, 'pg_default') FROM pg_tablespace WHERE oid = d.dattablespace),
  'connection_limit', d.datconnlimit, 'comment', shobj_description(d.oid, 'pg_database'),
  'grants', CASE WHEN d.datacl IS NOT NULL THEN (
     SELECT coalesce(json_agg(json_build_object('grantor', pg_get_userbyid(a.grantor),
       'grantee', CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
       'privilege', a.privilege, 'grantable', a.grantable) ORDER BY a.place), '[]')
     FROM aclexplode(d.datacl) WITH ORDINALITY a(grantor, grantee, privilege, grantable, place)) END,
  'settings', (
     SELECT coalesce(json_agg(json_build_object('role', CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END,
       'setting', c.setting) ORDER BY s.setrole, c.place), '[]')
     FROM pg_db_role_setting s, unnest(s.setconfig) WITH ORDINALITY c(setting, place) WHERE s.setdatabase = d.oid))
FROM pg_database d WHERE d.datname = current_database()";

/// The settings whose value is a list of names, each quoted by itself (`GUC_LIST_QUOTE` in PostgreSQL's sources).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

impl Properties {
    /// Reads those of the session's database.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn read(connection: &mut Connection) -> Result<Self, SqlError> {
        connection.query_json(SELECT, &[])
    }

    /// The statement that creates a database with the same encoding and locale, owned by `owner`.
    pub(super) fn create(&self, name: &str, owner: &str, server: i32) -> String {
        let mut sql = format!(
            "CREATE DATABASE {} WITH TEMPLATE template0 OWNER {} ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            Ident(name),
            Ident(owner),
            Literal(&self.encoding),
            Literal(&self.collate),
            Literal(&self.ctype)
        );
        let (provider, option) = match self.provider.as_deref() {
            Some("i") => ("icu", "ICU_LOCALE"),
            Some("b") => ("builtin", "BUILTIN_LOCALE"),
            _ => ("libc", ""),
        };
        if major(server) >= 15 {
            sql.push_str(&format!(" LOCALE_PROVIDER {provider}"));
        }
        if let (Some(locale), false) = (&self.locale, option.is_empty()) {
            sql.push_str(&format!(" {option} {}", Literal(locale)));
        }
        if let Some(rules) = &self.icu_rules {
            sql.push_str(&format!(" ICU_RULES {}", Literal(rules)));
        }
        if let Some(tablespace) = &self.tablespace {
            sql.push_str(&format!(" TABLESPACE {}", Ident(tablespace)));
        }
        sql
    }

    /// The statement that gives a database its comment, or takes away the one that it has.
    pub(super) fn comment(&self, name: &str) -> String {
        let comment = self.comment.as_deref().map(Literal);
        let comment = comment.map_or_else(|| "NULL".to_owned(), |text| text.to_string());
        format!("COMMENT ON DATABASE {} IS {comment}", Ident(name))
    }

    /// The statements that give a new database the rest; each may fail by itself.
    pub(super) fn statements(&self, name: &str, owner: &str) -> Vec<String> {
        let database = Ident(name);
        let mut statements = Vec::new();
        if let Some(grants) = &self.grants {
            // The defaults: PUBLIC may connect, the owner may do everything.
            statements.push(format!(
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC, {}",
                Ident(owner)
            ));
            statements.extend(grants.iter().map(|grant| self.grant(grant, name, owner)));
        }
        for Setting { role, setting } in &self.settings {
            let of = match role {
                Some(role) => format!("ROLE {} IN DATABASE {database}", Ident(role)),
                None => format!("DATABASE {database}"),
            };
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            statements.push(format!(
                "ALTER {of} SET {} TO {}",
                Ident(key),
                setting_value(key, value)
            ));
        }
        if self.connection_limit != -1 {
            statements.push(format!(
                "ALTER DATABASE {database} CONNECTION LIMIT {}",
                self.connection_limit
            ));
        }
        statements
    }

    fn grant(&self, grant: &Grant, name: &str, owner: &str) -> String {
        // Where another role owns it now, that one has the owner's privileges.
        let now = |role: &String| match *role == self.owner {
            true => Ident(owner).to_string(),
            false => Ident(role).to_string(),
        };
        let grantee = grant.grantee.as_ref().map(now);
        let option = if grant.grantable {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        let sql = format!(
            "GRANT {} ON DATABASE {} TO {}{option}",
            grant.privilege,
            Ident(name),
            grantee.unwrap_or_else(|| "PUBLIC".to_owned())
        );
        match grant.grantor == self.owner {
            true => sql,
            // One text, one transaction: the role is only set for good when both succeed.
            false => format!("SET ROLE {}; {sql}; RESET ROLE", now(&grant.grantor)),
        }
    }
}

/// A value as `SET` takes it.
fn setting_value(key: &str, value: &str) -> String {
    if !LISTS.contains(&key.to_ascii_lowercase().as_str()) {
        return Literal(value).to_string();
    }
    let names = names(value);
    let names = names.iter().map(|name| Literal(name).to_string());
    let list = names.collect::<Vec<_>>().join(", ");
    match list.as_str() {
        "" => "''".to_owned(),
        _ => list,
    }
}

/// The names of a list: `"$user", public`.
fn names(list: &str) -> Vec<String> {
    let (mut names, mut name) = (Vec::new(), None::<String>);
    let mut rest = list.chars().peekable();
    let mut quoted = false;
    while let Some(c) = rest.next() {
        match (c, quoted) {
            ('"', true) if rest.peek() == Some(&'"') => {
                rest.next();
                name.get_or_insert_default().push('"');
            }
            ('"', _) => {
                quoted = !quoted;
                name.get_or_insert_default();
            }
            (',', false) => names.extend(name.take()),
            (c, false) if c.is_whitespace() => {}
            (c, _) => name.get_or_insert_default().push(c),
        }
    }
    names.extend(name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_set_name_by_name() {
        for (value, set) in [
            ("\"$user\", public", "'$user', 'public'"),
            ("\"a, \"\"b\"", "'a, \"b'"),
            ("\"\"", "''"),
            ("", "''"),
        ] {
            assert_eq!(setting_value("search_path", value), set);
        }
        assert_eq!(setting_value("my.list", "a, b"), "'a, b'");
    }
}
