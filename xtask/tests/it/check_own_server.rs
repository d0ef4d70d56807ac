//! Services that say how the throw-away server for their migrations is started.

use local_postgres::manage;

use crate::support::{PRINT, Workspace, diesel_program, findings, only, superuser};

const X: &str = "2026-01-03-000000_x";

/// A workspace whose throw-away servers are started for it, and stopped with it.
struct Servers(Workspace);

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Servers {
    fn new(services: &[&str]) -> Self {
        let mut workspace = Workspace::with(services);
        workspace.set("LOCAL_POSTGRES_URL", "");
        Self(workspace)
    }

    /// Stops them, and tells how many there were.
    fn stop(&self) -> usize {
        manage::stop(&self.0.path(""), None).unwrap()
    }

    /// Adds lines to the settings of `stats`, whose manifest has six without them.
    fn say(&self, lines: &str) {
        self.0.append("services/stats/Cargo.toml", lines);
    }
}

/// `stats` counts the server's statements, which needs a library that only the start of a server loads.
fn counting() -> Servers {
    let servers = Servers::new(&["arc", "stats"]);
    superuser(&servers.0, "stats");
    servers.0.migration(
        "stats",
        X,
        "CREATE EXTENSION pg_stat_statements;\nCREATE TABLE counts AS SELECT calls FROM pg_stat_statements;\nALTER TABLE counts ADD id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY;",
        "DROP TABLE counts; DROP EXTENSION pg_stat_statements;",
    );
    servers
}

#[test]
fn a_service_has_a_server_of_its_own_where_it_says_how_it_starts() {
    let mut servers = counting();
    servers.say(
        "[package.metadata.db.postgresql-conf]\nshared_preload_libraries = \"pg_stat_statements\"\npg_stat_statements.track_utility = false\nwork_mem = \"5MB\"\n",
    );
    servers.0.migration(
        "stats",
        "2026-01-04-000000_settings",
        "DO $$ BEGIN ASSERT current_setting('pg_stat_statements.track_utility') = 'off' AND current_setting('work_mem') = '5MB' AND current_setting('fsync') = 'off'; END $$;",
        "SELECT 1;",
    );
    // The other's is started as ever.
    servers.0.migration(
        "arc",
        X,
        "DO $$ BEGIN ASSERT current_setting('work_mem') = '4MB'; END $$;",
        "SELECT 1;",
    );
    assert_eq!(findings(&servers.0, "check"), []);
    let diesel = diesel_program().display().to_string();
    servers.0.set("DIESEL_CLI", &diesel);
    servers.0.write("services/stats/diesel.toml", PRINT);
    servers.0.db("schema stats").exits(0).says("written");
    servers.0.edit(
        "services/stats/src/schema.rs",
        "        calls -> ",
        "        more -> Nullable<Text>,\n        calls -> ",
    );
    servers.0.db("new stats more --diff").exits(0);
    assert_eq!(servers.stop(), 2);
}

#[test]
fn a_setting_that_the_server_does_not_know_is_told_with_its_place_and_hides_nothing() {
    let servers = counting();
    servers.say("postgresql-conf = { shared_preload_library = \"pg_stat_statements\" }\n");
    servers
        .0
        .migration("arc", X, "CREATE TABLE left_behind ();", "SELECT 1;");
    servers
        .0
        .db("check")
        .exits(2)
        .says("unrecognized configuration parameter \"shared_preload_library\"")
        .says("the server is one for service `stats`, with the postgresql-conf of services/stats/Cargo.toml:8")
        .says("error[not-undone]");
    // Only that of `arc`.
    assert_eq!(servers.stop(), 1);
}

#[test]
fn a_server_that_is_there_already_is_taken_as_it_is() {
    let mut servers = counting();
    servers.say(
        "image = \"example.com/stats:1\"\npostgresql-conf = { shared_preload_libraries = \"pg_stat_statements\" }\n",
    );
    let url = servers.0.admin_url();
    servers.0.set("LOCAL_POSTGRES_URL", &url);
    let found = only(&servers.0, "check");
    assert_eq!(found.0, "migration-fails", "{found:?}");
    assert!(found.3.contains("shared_preload_libraries"), "{found:?}");
    let note = "note: the server of LOCAL_POSTGRES_URL is used unchanged, without the `image` and `postgresql-conf` of service `stats`";
    let run = servers.0.db("check --live").says(note);
    assert_eq!(run.stderr.matches(note).count(), 1, "{}", run.stderr);
    assert_eq!(servers.stop(), 0);
}

#[test]
fn an_image_that_nothing_runs_is_named() {
    let mut servers = Servers::new(&["stats"]);
    servers.0.set("LOCAL_POSTGRES_PROVIDER", "native");
    servers.say("image = \"example.com/stats:1\"\n");
    // Also where the server is found, and not started.
    for _ in 0..2 {
        servers.0.db("check").exits(1).says(
            "image `example.com/stats:1` is not used for `xtask`, but installed PostgreSQL 1",
        );
    }
    assert_eq!(servers.stop(), 1);
}

#[test]
fn settings_that_no_server_takes_are_found_without_one() {
    for (lines, place, says) in [
        (
            "postgresql-conf = \"fsync = on\"\n",
            6,
            "`postgresql-conf` must be a table, not `\"fsync = on\"`",
        ),
        (
            "[package.metadata.db.postgresql-conf]\nwork_mem = \"5MB\"\n\"work mem\" = \"5MB\"\n",
            8,
            "`work mem` in `postgresql-conf` is not the name of a setting",
        ),
        (
            "[package.metadata.db.postgresql-conf]\nshared_preload_libraries = [\"a\", \"b\"]\n",
            7,
            "`shared_preload_libraries` in `postgresql-conf` must be one line of text, a number, true or false, not `[\"a\", \"b\"]`",
        ),
        (
            "[package.metadata.db.postgresql-conf]\na.b.\"c-d\" = 1\n",
            7,
            "`a.b.c-d` in `postgresql-conf` is not the name of a setting",
        ),
        (
            "[package.metadata.db.postgresql-conf]\nwork_mem = \"5MB\\nport = 1\"\n",
            7,
            "`work_mem` in `postgresql-conf` must be one line of text",
        ),
        (
            "[package.metadata.db.postgresql-conf]\nwork_mem = 2026-01-01\n",
            7,
            "`work_mem` in `postgresql-conf` must be one line of text",
        ),
        (
            "[package.metadata.db.postgresql-conf]\nPort = 5432\n",
            7,
            "a service may not set `Port` in `postgresql-conf`",
        ),
        (
            "image = 18\n",
            6,
            "`image` must be a non-empty string, not `18`",
        ),
    ] {
        let servers = Servers::new(&["stats"]);
        servers.say(lines);
        let place = format!("--> services/stats/Cargo.toml:{place}");
        servers
            .0
            .db("check --offline")
            .exits(1)
            .says(&format!("error[settings]: {says}"))
            .says(&place);
        servers
            .0
            .db("schema")
            .exits(2)
            .says(says)
            .says("services/stats/Cargo.toml");
    }
}
