//! Settings that make no sense: an error that names the file or the variable, and the remedy.

use crate::support::{Run, Workspace};

/// A workspace with one service whose manifest is this.
fn with_manifest(metadata: &str) -> Workspace {
    let workspace = Workspace::with(&["arc"]);
    workspace.write(
        "services/arc/Cargo.toml",
        &format!("[package]\nname = \"arc\"\n{metadata}"),
    );
    workspace
}

#[test]
fn each_fault_is_named_with_its_file_and_remedy() {
    for (metadata, says) in [
        (
            "",
            "services/arc/Cargo.toml: service `arc` does not say whether it has a database",
        ),
        ("", "[package.metadata.db]\n      name = \"arc_db\""),
        ("", "[package.metadata]\n      db = false"),
        (
            "[package.metadata.db]\nnam = \"x\"",
            "unknown key `nam` in `[package.metadata.db]`",
        ),
        ("[package.metadata.db]\nnam = \"x\"", "did you mean `name`?"),
        (
            "[package.metadata.db]\nurl = \"X_URL\"",
            "`[package.metadata.db]` has no `name`",
        ),
        (
            "[package.metadata.db]\nname = 3",
            "`name` must be a non-empty string",
        ),
        (
            "[package.metadata.db]\nname = \"\"",
            "`name` must be a non-empty string",
        ),
        (
            "[package.metadata]\ndb = true",
            "`db` must be `false` or a table",
        ),
        (
            "[package.metadata.db]\nname = \"x\"\nurl = \"DATABASE_URL\"",
            "takes its URL from DATABASE_URL",
        ),
        ("[package.metadata.db\n", "failed to parse `"),
    ] {
        with_manifest(metadata)
            .db("status")
            .exits(2)
            .says(says)
            .says("services/arc/Cargo.toml");
    }
}

#[cfg(unix)]
#[test]
fn a_service_that_cannot_be_read_is_not_left_out() {
    let workspace = Workspace::with(&["arc"]);
    std::os::unix::fs::symlink("ring", workspace.path("services/ring")).unwrap();
    workspace
        .db("status")
        .exits(2)
        .says("services/ring/Cargo.toml: failed to read `");
    workspace
        .db("check --offline")
        .exits(1)
        .says("--> services/ring/Cargo.toml")
        .says("[env-template]");
}

#[test]
fn the_versions_of_postgresql_are_major_versions_and_a_service_names_fewer() {
    let with = |workspace_says: &str, service_says: &str| {
        let manifest = format!("[package.metadata.db]\nname = \"arc_db\"\n{service_says}");
        let workspace = with_manifest(&manifest);
        let all = format!("\n[workspace.metadata.db]\n{workspace_says}");
        workspace.append("Cargo.toml", &all);
        workspace
    };
    for says in [
        "postgres = 18",
        "postgres = []",
        "postgres = \"\"",
        "postgres = [\"15\", 16]",
        "postgres = [\"15\", \"latest\"]",
        "postgres = [\"15\", \"15\"]",
    ] {
        let run = with(says, "").db("check --offline").exits(1);
        run.says("Cargo.toml:5")
            .says("`postgres` must name major versions of PostgreSQL, each once, not `")
            .says("postgres = [\"17\", \"18\"]: local servers run the last one");
    }
    let all = "postgres = [\"15\", \"18\"]";
    let run = with(all, "postgres = [\"18\", \"17\"]").db("status");
    run.exits(2)
        .says("services/arc/Cargo.toml: `postgres` names PostgreSQL 17, but the workspace names only 15, 18")
        .says("add it to [workspace.metadata.db] in the root Cargo.toml, or remove it");
    for own in ["", "postgres = \"15\"", "postgres = [\"18\"]"] {
        with(all, own)
            .db("check --offline")
            .does_not_say("postgres");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let workspace = Workspace::with(&["arc", "cv"]);
    workspace.write("services/arc/Cargo.toml", "[package]\nname = \"arc\"\n");
    workspace.write(
        "services/cv/Cargo.toml",
        "[package]\nname = \"cv\"\n[package.metadata.db]\nnme = \"x\"\n",
    );
    workspace.write(
        "Cargo.toml",
        "[workspace]\n[workspace.metadata.db]\nservice = \"x\"\n",
    );
    workspace
        .db("migrate")
        .exits(2)
        .says("the settings have 4 faults")
        .says("services/arc/Cargo.toml: service `arc`")
        .says("unknown key `nme`")
        .says("has no `name`")
        .says("Cargo.toml: unknown key `service`")
        .says("did you mean `services`?");
}

#[test]
fn two_services_cannot_declare_one_database_or_variable() {
    let workspace = Workspace::with(&["arc", "cv"]);
    let manifest = |name: &str, url: &str| {
        format!(
            "[package]\nname = \"{name}\"\n[package.metadata.db]\nname = \"{url}\"\nurl = \"ONE_URL\"\n"
        )
    };
    workspace.write("services/arc/Cargo.toml", &manifest("arc", "one"));
    workspace.write("services/cv/Cargo.toml", &manifest("cv", "one"));
    workspace
        .db("migrate")
        .exits(2)
        .says("services `arc` and `cv` both own the database `one`")
        .says("services/cv/Cargo.toml")
        .says("services/arc/Cargo.toml")
        .says("both read ONE_URL");
}

/// Cargo takes letters of any language in a package's name; a shell takes no such variable, so one has to be named.
#[test]
fn a_variable_that_no_shell_takes_is_refused_and_another_serves() {
    let mut workspace = Workspace::empty();
    let database = workspace.database("accents");
    workspace.add("größe", &database);
    workspace
        .db("create")
        .exits(2)
        .says("services/größe/Cargo.toml")
        .says("cannot take its URL from `GRÖSSE_DATABASE_URL`")
        .says("set `url`");
    for refused in ["MY URL", "1_URL", "A=B", "A-B"] {
        let metadata = format!("[package.metadata.db]\nname = \"x\"\nurl = \"{refused}\"\n");
        let workspace = with_manifest(&metadata);
        workspace
            .db("status")
            .exits(2)
            .says(&format!("from `{refused}`"));
    }
    let metadata =
        format!("[package.metadata.db]\nname = \"{database}\"\nurl = \"GROESSE_2_URL\"\n");
    workspace.manifest("größe", &metadata);
    let url = workspace.url(&database);
    workspace.write(".env", &format!("GROESSE_2_URL={url}\n"));
    workspace.migration("größe", "1_a", "CREATE TABLE a ();", "DROP TABLE a;");
    workspace.migration("größe", "2_b", "CREATE TABLE b ();", "DROP TABLE b;");
    for line in ["create", "migrate", "redo größe", "status --exit-code"] {
        workspace.db(line).exits(0).says("größe");
    }
    workspace.db("history größe").exits(0).says("2_b");
    workspace.db("backup größe").exits(0);
    assert_eq!(workspace.list("backups/größe").len(), 1);
}

#[test]
fn the_servers_own_databases_belong_to_no_service() {
    let workspace = Workspace::with(&["arc"]);
    for name in ["postgres", "template0", "template1"] {
        workspace.manifest(
            "arc",
            &format!("[package.metadata.db]\nname = \"{name}\"\n"),
        );
        for line in ["create", "check --offline"] {
            let code = if line == "create" { 2 } else { 1 };
            workspace
                .db(line)
                .exits(code)
                .says("services/arc/Cargo.toml")
                .says(&format!("`{name}` is the server's own database"));
        }
    }
    let at_home = "SELECT count(*) FROM pg_namespace WHERE nspname = 'db_ledger'";
    assert_eq!(workspace.value("postgres", at_home), "0");
}

#[test]
fn urls_that_are_missing_or_malformed_are_named_by_their_variable() {
    let mut workspace = Workspace::with(&["arc"]);
    for (url, says) in [
        (
            "postgres://h:notaport/d",
            "host or port can't be told apart",
        ),
        (
            "postgres://me@h",
            "ARC_DATABASE_URL in the environment names no database",
        ),
        (
            "mysql://h/d",
            "ARC_DATABASE_URL in the environment is not a PostgreSQL URL",
        ),
        ("postgres://h/d?sslmod=require", "is not a PostgreSQL URL"),
        ("", "service `arc` has no database URL"),
    ] {
        workspace.set("ARC_DATABASE_URL", url);
        let run = workspace.db("migrate").says(says).says("ARC_DATABASE_URL");
        assert_eq!(run.code, 2, "{run:?}");
    }
    workspace.unset("ARC_DATABASE_URL");
    workspace
        .db("migrate")
        .exits(2)
        .says("set ARC_DATABASE_URL in the environment or in ")
        .says(".env")
        .says("db up");
}

#[test]
fn faults_in_a_services_folder_are_named() {
    let workspace = Workspace::with(&["arc"]);
    workspace.remove("services/arc/diesel.toml");
    workspace
        .db("migrate")
        .exits(2)
        .says("service `arc` has no `")
        .says("services/arc/diesel.toml")
        .says("[migrations_directory]");
    workspace.write(
        "services/arc/diesel.toml",
        "[migrations_directory]\ndir = \"migrate\"\n",
    );
    workspace
        .db("migrate")
        .exits(2)
        .says("services/arc/migrate` of service `arc` does not exist")
        .says("diesel.toml");
    workspace.write("services/arc/diesel.toml", "nonsense");
    workspace
        .db("migrate")
        .exits(2)
        .says("failed to parse")
        .says("services/arc/diesel.toml");
    workspace.write("services/arc/diesel.toml", "");
    workspace.db("status").exits(0);
    workspace.migration("arc", "20260101000000_twin", "SELECT 1;", "SELECT 1;");
    workspace
        .db("migrate")
        .exits(2)
        .says("20260101000000_twin")
        .says("2026-01-01-000000_create")
        .says("silently drop");
    workspace.remove("services/arc/migrations/20260101000000_twin");
    workspace.db("create").exits(0);
    for (file, text, says) in [
        ("up.sql", "  \n", "up.sql` is empty"),
        ("up.sql", "-- later\n/* ; */ ;\n", "up.sql` is empty"),
        (
            "metadata.toml",
            "run_in_transaction = maybe",
            "metadata.toml",
        ),
    ] {
        workspace.migration("arc", "2026-05-01-000000_new", "SELECT 1;", "SELECT 1;");
        workspace.write(
            &format!("services/arc/migrations/2026-05-01-000000_new/{file}"),
            text,
        );
        workspace.db("migrate").exits(2).says(says);
        workspace.remove("services/arc/migrations/2026-05-01-000000_new");
    }
    workspace.write(
        "services/arc/migrations/2026-05-01-000000_new/down.sql",
        "SELECT 1;",
    );
    workspace
        .db("migrate")
        .exits(2)
        .says("2026-05-01-000000_new/up.sql");
}

#[test]
fn services_may_live_elsewhere_and_be_stateless() {
    let mut workspace = Workspace::with(&["arc"]);
    std::fs::rename(workspace.path("services"), workspace.path("crates")).unwrap();
    workspace
        .db("status")
        .exits(2)
        .says("`services/*` matches no folder")
        .says("services = \"crates/*\"");
    workspace.write(
        "Cargo.toml",
        "[workspace]\n[workspace.metadata.db]\nservices = \"crates/*\"\n",
    );
    workspace.write(
        "crates/ai/Cargo.toml",
        "[package]\nname = \"ai\"\n[package.metadata]\ndb = false\n",
    );
    workspace.db("create").exits(0).says("arc");
    workspace
        .db("migrate ai")
        .exits(2)
        .says("service `ai` has no database")
        .says("services with a database: arc");
    workspace.unset("ARC_DATABASE_URL");
    let lonely = tempfile::TempDir::new().unwrap();
    Run::of(
        workspace
            .command(&["db", "status"])
            .current_dir(lonely.path()),
        "status",
    )
    .exits(2)
    .says("found no Cargo workspace");
}
