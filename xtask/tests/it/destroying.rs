//! Whatever destroys data asks first, and until it is told the right name, nothing changes.

use crate::support::{PgPrograms, Run, Workspace, variable};

/// `arc` has two migrations, `one` has a single one; both have rows.
struct Doomed {
    workspace: Workspace,
    programs: PgPrograms,
    backup: String,
}

/// Each destructive command but for the confirmation, and the service that it is for.
fn commands(backup: &str) -> Vec<(String, &'static str)> {
    let restore = format!("restore arc {backup}");
    [
        ("revert arc --all", "arc"),
        ("revert arc -n 2", "arc"),
        ("revert arc -n 99", "arc"),
        ("redo arc -n 2", "arc"),
        ("redo arc -n 99", "arc"),
        ("revert one", "one"),
        ("redo one", "one"),
        (&restore, "arc"),
        ("drop arc", "arc"),
        ("drop one --no-backup", "one"),
        ("reset arc", "arc"),
        ("reset one --no-backup", "one"),
    ]
    .map(|(line, service)| (line.to_owned(), service))
    .to_vec()
}

impl Doomed {
    fn new() -> Self {
        let workspace = Workspace::with(&["arc", "one"]);
        workspace.remove("services/one/migrations/2026-01-02-000000_note");
        workspace.db("create").exits(0);
        workspace.db("migrate").exits(0);
        for (service, rows) in [("arc", 3), ("one", 2)] {
            let rows = format!("INSERT INTO {service}_items SELECT generate_series(1, {rows})");
            workspace.execute(&workspace.database(service), &rows);
        }
        workspace.db("backup arc").exits(0);
        let backup = workspace.list("backups/arc").pop().unwrap();
        let programs = PgPrograms::new(&workspace);
        Self {
            workspace,
            programs,
            backup,
        }
    }

    /// Every byte of both databases.
    fn whole(&self) -> String {
        let dump = |service| {
            let url = self.workspace.url(&self.workspace.database(service));
            self.programs.dump(&url, &["--create"])
        };
        ["arc", "one"].map(dump).concat()
    }

    /// What takes a part of `arc` only is refused, too, and says `why`; `yes` is how it is confirmed.
    #[track_caller]
    fn refuses_a_part(&self, yes: &str, why: &str) {
        let before = self.whole();
        for verb in ["revert", "redo"] {
            self.workspace
                .db(&format!("{verb} arc {yes}"))
                .exits(7)
                .says(why);
            assert_eq!(self.whole(), before);
        }
    }

    /// Each command, run with `run`, is refused as not confirmed and says `why`; nothing changes.
    #[track_caller]
    fn refuses(&self, why: &str, run: impl Fn(&str, &str) -> Run) {
        let before = self.whole();
        for (line, service) in commands(&self.backup) {
            run(&line, &self.workspace.database(service))
                .exits(7)
                .says(why);
        }
        // None of them makes rows: what one of them takes, no other brings back.
        assert_eq!(self.whole(), before);
        assert_eq!(self.workspace.list("backups/arc"), [self.backup.as_str()]);
    }

    /// The URL of `arc` and `one`, as of another machine: a service file may lead anywhere.
    fn elsewhere(&mut self) {
        let workspace = &mut self.workspace;
        let url = workspace.admin_url();
        let (account, place) = url.split_once("://").unwrap().1.rsplit_once('@').unwrap();
        let (host, port) = place.split('/').next().unwrap().split_once(':').unwrap();
        workspace.write(
            "services.conf",
            &format!("[here]\nhost={host}\nport={port}\n"),
        );
        let (user, password) = account.split_once(':').unwrap_or((account, ""));
        let file = workspace.path("services.conf");
        workspace.set("PGSERVICEFILE", file.to_str().unwrap());
        for service in ["arc", "one"] {
            let database = workspace.database(service);
            let url =
                format!("service=here user='{user}' password='{password}' dbname='{database}'");
            workspace.set(&variable(service), &url);
        }
    }
}

#[test]
fn nothing_goes_that_a_person_declined() {
    let doomed = Doomed::new();
    let workspace = &doomed.workspace;
    for typed in ["no\n", "\n", "arc\n"] {
        doomed.refuses("not confirmed", |line, _| {
            workspace.db_at_terminal(line, typed).says("Type ")
        });
    }
    // Ctrl-D is no answer either; what is said then begins on a line of its own.
    let run = workspace.db_at_terminal("drop arc", "\u{4}").exits(7);
    let question = run.stdout.lines().find(|line| line.contains("Type "));
    assert!(
        !question.unwrap().contains("not confirmed"),
        "{}",
        run.stdout
    );
    run.says("not confirmed");
}

#[test]
fn nothing_goes_without_a_terminal_or_by_another_name() {
    let doomed = Doomed::new();
    let workspace = &doomed.workspace;
    doomed.refuses("there is no terminal to ask on", |line, _| {
        workspace.db(line)
    });
    // What comes through a pipe was typed by nobody.
    doomed.refuses("there is no terminal to ask on", |line, name| {
        workspace.db_given(line, &format!("{name}\n"))
    });
    doomed.refuses("is not the name", |line, _| {
        workspace.db(&format!("{line} --yes arc --force"))
    });
}

#[test]
fn nothing_goes_elsewhere_without_force() {
    let mut doomed = Doomed::new();
    doomed.elsewhere();
    let workspace = &doomed.workspace;
    doomed.refuses("which is not on this machine", |line, name| {
        workspace.db(&format!("{line} --yes {name}"))
    });
    doomed.refuses("there is no terminal", |line, _| {
        workspace.db(&format!("{line} --force"))
    });
    doomed.refuses_a_part("", "which is not on this machine");
    let (arc, before) = (workspace.database("arc"), doomed.whole());
    workspace
        .db(&format!("revert arc --force --yes {arc}"))
        .exits(0);
    assert_ne!(doomed.whole(), before);
}

#[test]
fn nothing_goes_that_is_protected() {
    let doomed = Doomed::new();
    let workspace = &doomed.workspace;
    for service in ["arc", "one"] {
        workspace
            .db(&format!("protect {service}"))
            .exits(0)
            .says("protected");
        workspace
            .db(&format!("protect {service}"))
            .exits(0)
            .says("already protected");
    }
    doomed.refuses("which is protected", |line, name| {
        workspace.db(&format!("{line} --yes {name}"))
    });
    doomed.refuses("which is protected", |line, name| {
        workspace.db_at_terminal(line, &format!("{name}\n"))
    });
    doomed.refuses("there is no terminal", |line, _| {
        workspace.db(&format!("{line} --force"))
    });
    let arc = workspace.database("arc");
    doomed.refuses_a_part(&format!("--yes {arc}"), "which is protected");
    // A backup from before does not take it away.
    workspace
        .db(&format!(
            "restore arc {} --yes {arc} --force",
            doomed.backup
        ))
        .exits(0);
    for database in databases(workspace, "arc") {
        workspace.url(&database);
    }
    workspace
        .db(&format!("revert arc --yes {arc}"))
        .exits(7)
        .says("which is protected");
    workspace
        .db("protect arc --off")
        .exits(0)
        .says("not protected any more");
    workspace.db("revert arc").exits(0);
}

#[test]
fn what_was_confirmed_is_done() {
    for way in ["terminal", "option"] {
        let doomed = Doomed::new();
        let workspace = &doomed.workspace;
        for (line, service) in commands(&doomed.backup) {
            let name = workspace.database(service);
            let run = match way {
                "terminal" => workspace.db_at_terminal(&line, &format!("{name}\n")),
                _ => workspace.db(&format!("{line} --yes {name}")),
            };
            run.exits(0)
                .says(&format!("database `{name}` of service `{service}`"));
            workspace.db("create").exits(0);
            workspace.db("migrate").exits(0);
        }
        for database in databases(workspace, "arc") {
            workspace.url(&database);
        }
    }
}

#[test]
fn what_goes_is_shown_first() {
    let doomed = Doomed::new();
    let workspace = &doomed.workspace;
    let arc = workspace.database("arc");
    let mut session = workspace.session(&arc);
    diesel::connection::SimpleConnection::batch_execute(
        &mut session,
        "SET application_name = 'the worker'; ANALYZE; CREATE TABLE no_rows ()",
    )
    .unwrap();
    let run = workspace
        .db("revert arc --all")
        .exits(7)
        .says("This destroys every table and row of 2 migrations.")
        .says("arc_items (about 3 rows), no_rows (empty)")
        .says("open connections: 1 of the worker")
        .does_not_say("db_ledger");
    assert!(run.stderr.contains("size: "), "{run:?}");
    assert_eq!(workspace.tables(&arc), "arc_items no_rows");
}

/// The databases whose name begins as that of a service's database.
fn databases(workspace: &Workspace, service: &str) -> Vec<String> {
    let name = workspace.database(service);
    let list = format!(
        "SELECT string_agg(datname, ' ') FROM pg_database WHERE starts_with(datname, '{name}')"
    );
    workspace
        .value("postgres", &list)
        .split(' ')
        .map(str::to_owned)
        .collect()
}
