//! `db psql` and `db url`: a service's database for a person, and for other tools.

use crate::support::{Folder, Run, Workspace, encoded, quoted, snapshot, value, wait_until};

const PASSWORD: &str = "s3@:/%#? '\"cr3t";

/// `db psql arc -- ARGUMENTS`
fn psql(workspace: &Workspace, arguments: &[&str]) -> Run {
    let arguments = [&["db", "psql", "arc", "--"], arguments].concat();
    Run::of(&mut workspace.command(&arguments), &arguments.join(" "))
}

/// A workspace whose service has a role with a password of its own, which the test drops.
fn with_role() -> (Workspace, String) {
    let mut workspace = Workspace::with(&["arc"]);
    let role = workspace.database("role");
    let literal = PASSWORD.replace('\'', "''");
    workspace.execute(
        "postgres",
        &format!(
            "CREATE ROLE {} LOGIN CREATEDB PASSWORD '{literal}'",
            quoted(&role)
        ),
    );
    let url = workspace.get("ARC_DATABASE_URL");
    let place = url.rsplit_once('@').unwrap().1.to_owned();
    let password = encoded(PASSWORD);
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("postgres://{role}:{password}@{place}"),
    );
    workspace.db("create").exits(0);
    (workspace, role)
}

fn drop_role(workspace: &Workspace, role: &str) {
    let database = quoted(&workspace.database("arc"));
    workspace.execute_each(&[
        format!("DROP DATABASE {database} WITH (FORCE)"),
        format!("DROP ROLE {}", quoted(role)),
    ]);
}

#[test]
#[cfg(target_os = "linux")]
fn psql_logs_in_with_a_password_that_is_in_no_command_line() {
    let (workspace, role) = with_role();
    let who = psql(&workspace, &["-XAtc", "SELECT current_user"]).exits(0);
    assert_eq!(who.stdout.trim(), role);
    // Its own command line, as `ps` shows it to every user of the machine.
    let own = psql(
        &workspace,
        &["-XAtc", "\\! tr '\\0' ' ' </proc/$PPID/cmdline"],
    )
    .exits(0);
    let own = own.does_not_say("cr3t").does_not_say("s3%40");
    own.says("psql").says(&format!("user='{role}'"));
    drop_role(&workspace, &role);
}

#[test]
fn the_url_is_on_stdout_alone_and_leads_where_the_variable_does() {
    let (mut workspace, role) = with_role();
    let url = workspace.db("url arc").exits(0);
    assert_eq!(url.stderr, "");
    let shown = url.stdout.trim().to_owned();
    let place = shown.rsplit_once('@').unwrap().1.to_owned();
    assert_eq!(
        shown,
        format!("postgres://{role}:{}@{place}", encoded(PASSWORD))
    );
    // A `key=value` string becomes a URL, too, which logs in.
    let (address, database) = place.split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    let escaped = PASSWORD.replace('\'', "\\'");
    workspace.set(
        "ARC_DATABASE_URL",
        &format!("host={host} port={port} user={role} password='{escaped}' dbname={database} application_name='a b'"),
    );
    let other = workspace.db("url arc").exits(0).stdout;
    assert_eq!(other.trim(), format!("{shown}?application_name=a%20b"));
    workspace.set("ARC_DATABASE_URL", other.trim());
    let name = psql(&workspace, &["-XAtc", "SHOW application_name"]).exits(0);
    assert_eq!(name.stdout.trim(), "a b");
    drop_role(&workspace, &role);
}

#[test]
fn the_exit_code_is_psqls_and_stdin_is_handed_over() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    psql(&workspace, &["-Xc", "SELECT 1/0"])
        .exits(1)
        .says("division by zero");
    let script = "SELECT 6 * 7;\n\\set ON_ERROR_STOP\nSELECT nope;\n";
    let run = workspace.db_given("psql arc -- -XAt", script).exits(3);
    assert_eq!(run.stdout.trim(), "42");
}

#[test]
fn psql_opens_no_database_of_another_service() {
    let mut workspace = Workspace::with(&["arc", "cv"]);
    workspace.db("create").exits(0);
    let theirs = workspace.get("CV_DATABASE_URL");
    workspace.set("ARC_DATABASE_URL", &theirs);
    let folder: &Folder = &workspace;
    let run = psql(&workspace, &["-c", "CREATE TABLE stray ()"]);
    snapshot(folder, "psql_of_another_service", &run);
    let url = workspace.db("url arc").exits(6);
    assert_eq!(url.stdout, "");
    assert_eq!(workspace.tables(&workspace.database("cv")), "");
    // One that says so itself, whatever its name.
    let own = workspace.url(&workspace.database("arc"));
    workspace.set("ARC_DATABASE_URL", &own);
    let renamed = "UPDATE db_ledger.owner SET service = 'cv'";
    workspace.execute(&workspace.database("arc"), renamed);
    psql(&workspace, &["-c", "CREATE TABLE stray ()"])
        .exits(6)
        .says("belongs to service `cv`, not to service `arc`");
    assert_eq!(workspace.tables(&workspace.database("arc")), "");
}

#[test]
fn ctrl_c_at_psqls_prompt_cancels_the_statement_and_leaves_psql_there() {
    let workspace = Workspace::with(&["arc"]);
    workspace.db("create").exits(0);
    let database = workspace.database("arc");
    let mut child = workspace.start_at_terminal("psql arc -- -XP pager=off");
    let mut typed = child.stdin.take().unwrap();
    let mut type_ = |text: &str| std::io::Write::write_all(&mut typed, text.as_bytes()).unwrap();
    let mut admin = workspace.admin();
    let asleep = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'"
    );
    type_("SELECT pg_sleep(600);\n");
    wait_until(&mut child, || value(&mut admin, &asleep) == "true");
    type_("\u{3}");
    wait_until(&mut child, || value(&mut admin, &asleep) == "false");
    type_("SELECT 'still ' || 'here';\n\\q\n");
    let run = Run::from(child.wait_with_output().unwrap(), "psql at a terminal");
    run.exits(0)
        .says("canceling statement due to user request")
        .says("still here");
}
