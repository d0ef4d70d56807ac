//! A password works whatever is in it, and is seen nowhere.

use std::process::Stdio;

use crate::support::{PgPrograms, Workspace, encoded, quoted};

const PASSWORD: &str = "s3@:/%#? '\"cr3t";

/// The workspace, with the service's role and its URL; the URL is percent-encoded or a `key=value` string.
fn with_password(test: &str) -> (Workspace, [String; 2]) {
    let workspace = Workspace::with(&["arc"]);
    let role = workspace.database(&format!("role_{test}"));
    let literal = PASSWORD.replace('\'', "''");
    workspace.execute(
        "postgres",
        &format!(
            "CREATE ROLE {} LOGIN CREATEDB PASSWORD '{literal}'",
            quoted(&role)
        ),
    );
    let url = workspace.get("ARC_DATABASE_URL");
    let address = url
        .rsplit_once('@')
        .unwrap()
        .1
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let (host, port) = address.split_once(':').unwrap();
    let database = workspace.database("arc");
    let escaped = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let urls = [
        format!(
            "postgres://{role}:{}@{address}/{database}",
            encoded(PASSWORD)
        ),
        format!("host={host} port={port} user={role} password='{escaped}' dbname={database}"),
    ];
    (workspace, urls)
}

fn drop_role(workspace: &Workspace, test: &str) {
    let (role, database) = (
        workspace.database(&format!("role_{test}")),
        workspace.database("arc"),
    );
    workspace.execute(
        "postgres",
        &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&database)),
    );
    workspace.execute("postgres", &format!("DROP ROLE {}", quoted(&role)));
}

/// Every spelling, and its pieces, that could betray it.
const PIECES: &[&str] = &[PASSWORD, "cr3t", "s3%40", "s3@"];

#[test]
fn it_works_and_is_in_no_output() {
    let (mut workspace, urls) = with_password("output");
    for url in urls {
        workspace.set("ARC_DATABASE_URL", &url);
        let broken = "services/arc/migrations/2026-01-03-000000_broken";
        workspace.migration(
            "arc",
            "2026-01-03-000000_broken",
            &format!("SELECT 1/0 -- {PASSWORD}"),
            "SELECT 1;",
        );
        for (command, code) in [
            ("create", 0),
            ("create --sql", 0),
            ("migrate --dry-run", 0),
            ("migrate --sql", 0),
            ("migrate", 4),
            ("status --json", 0),
            ("status", 0),
            ("status -v", 0),
            ("history arc --json", 0),
            ("redo arc -v", 0),
            ("revert arc --all", 7),
            ("wait", 0),
        ] {
            let run = workspace.db(command).exits(code);
            // The migration's own text is the repository's, and `--sql` prints it.
            let skip = command == "migrate --sql";
            for piece in PIECES.iter().filter(|_| !skip) {
                assert!(
                    !run.stdout.contains(piece) && !run.stderr.contains(piece),
                    "{command}: {run:?}"
                );
            }
        }
        workspace.remove(broken);
        workspace.set(
            "ARC_DATABASE_URL",
            &url.replace("dbname=", "dbname=none_")
                .replace("_arc", "_none"),
        );
        workspace
            .db("migrate")
            .exits(3)
            .says("does not exist")
            .does_not_say("cr3t");
        workspace.set("ARC_DATABASE_URL", &url.replace("cr3t", "wrong"));
        workspace
            .db("migrate")
            .exits(3)
            .says("authentication failed")
            .does_not_say("wrong")
            .does_not_say("s3%40");
    }
    drop_role(&workspace, "output");
}

#[test]
fn a_url_that_is_none_gives_away_nothing() {
    let mut workspace = Workspace::with(&["arc"]);
    for url in [
        format!("postgres://me:{PASSWORD}@127.0.0.1:1/d"),
        format!("postgres://me:{PASSWORD}@host:port/d"),
        format!("postgres://me@127.0.0.1:1/d?passwrod={}", encoded(PASSWORD)),
        "postgres://me:p@cr3t@127.0.0.1:1/d".to_owned(),
        "postgres://me:pa/cr3t@127.0.0.1:1/d".to_owned(),
        "postgres://me:12/cr3t@127.0.0.1:1/d".to_owned(),
        "postgres://me:12?cr3t@127.0.0.1:1/d".to_owned(),
        "postgres://me@127.0.0.1:1/d?scram_client_key=cr3t".to_owned(),
        format!("mysql://me:{PASSWORD}@h/d"),
        format!("me:{PASSWORD}"),
        format!("postgres://me:{}@127.0.0.1:1", encoded(PASSWORD)),
    ] {
        workspace.set("ARC_DATABASE_URL", &url);
        let run = workspace.db("migrate");
        assert!([2, 3].contains(&run.code), "{url}: {run:?}");
        assert!(run.stderr.contains("ARC_DATABASE_URL"), "{run:?}");
        for piece in PIECES {
            assert!(
                !run.stdout.contains(piece) && !run.stderr.contains(piece),
                "{url}: {run:?}"
            );
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn it_is_in_no_process_list() {
    let (mut workspace, [url, _]) = with_password("processes");
    workspace.set("ARC_DATABASE_URL", &url);
    workspace.migration(
        "arc",
        "2026-01-03-000000_slow",
        "SELECT pg_sleep(1);",
        "SELECT 1;",
    );
    workspace.db("create").exits(0);
    let mut child = workspace
        .command(&["db", "migrate"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut looked = 0;
    while child.try_wait().unwrap().is_none() {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(words) = std::fs::read(entry.path().join("cmdline")) else {
                continue;
            };
            let words = String::from_utf8_lossy(&words);
            assert!(!words.contains("cr3t"), "{words}");
            looked += 1;
        }
    }
    assert!(looked > 0 && child.wait().unwrap().success());
    drop_role(&workspace, "processes");
}

#[test]
fn what_the_server_quotes_of_it_is_shown_and_kept_nowhere() {
    let (mut workspace, [url, _]) = with_password("quoted");
    workspace.set("ARC_DATABASE_URL", &url);
    // The files do not spell it: the server alone does.
    let hex: String = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
    let secret = format!("convert_from('\\x{hex}', 'UTF8')");
    let raise = |level: &str, more: &str| {
        format!("DO $$ BEGIN RAISE {level} 'it is %', {secret} {more}; END $$;")
    };
    let more = format!("USING DETAIL = 'it is ' || {secret}, HINT = 'it is ' || {secret}");
    for (name, up) in [
        ("2026-01-03-000000_notice", raise("NOTICE", "")),
        ("2026-01-04-000000_error", raise("EXCEPTION", &more)),
    ] {
        workspace.migration("arc", name, &up, "SELECT 1;");
    }
    workspace.db("create").exits(0);
    let migrate = workspace.db("migrate").exits(4).says("NOTICE:  it is ***");
    let mut runs = vec![migrate.says("= ERROR: it is ***")];
    for line in [
        "history arc",
        "history arc --json",
        "status",
        "status --json",
    ] {
        runs.push(workspace.db(line).exits(0));
    }
    for piece in PIECES {
        runs = runs
            .into_iter()
            .map(|run| run.does_not_say(piece))
            .collect();
    }
    let kept = "SELECT string_agg(error, ' ') FROM db_ledger.run";
    let kept = workspace.value(&workspace.database("arc"), kept);
    assert!(kept.contains("it is ***"), "{kept}");
    for piece in PIECES {
        assert!(!kept.contains(piece), "{kept}");
    }
    drop_role(&workspace, "quoted");
}

/// The programs that the tool runs get a password only where they need it, and never as an argument.
#[test]
#[cfg(target_os = "linux")]
fn only_the_programs_that_connect_are_given_it_and_none_as_an_argument() {
    let (mut workspace, [url, _]) = with_password("programs");
    workspace.unset("ARC_DATABASE_URL");
    workspace.write(".env", &format!("ARC_DATABASE_URL='{url}'\n"));
    workspace.set("LOCAL_POSTGRES_URL", &workspace.admin_url());
    let (log, programs) = (workspace.path("programs.log"), workspace.path("programs"));
    // Those of the server's version: what is too old is not run.
    let path = PgPrograms::new(&workspace).path();
    for name in [
        "git",
        "cargo",
        "docker",
        "pg_config",
        "pg_dump",
        "pg_restore",
        "psql",
        "diesel",
    ] {
        workspace.write(
            &format!("programs/{name}"),
            &format!(
                "#!/bin/sh\n{{ echo \"{name} was given: $*\"; env | sed 's/^/{name} has /'; }} >>'{}'\nPATH='{path}' exec {name} \"$@\"\n",
                log.display()
            ),
        );
        let program = programs.join(name);
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(program, executable).unwrap();
    }
    workspace.set("PATH", &format!("{}:{path}", programs.display()));
    for line in [
        "create",
        "migrate",
        "backup",
        "psql arc -- -c SELECT(1)",
        "check --live",
    ] {
        let run = workspace.db(line);
        assert!(run.code < 2, "{line}: {run:?}");
    }
    let log = workspace.read("programs.log");
    let secret: Vec<_> = log.lines().filter(|line| line.contains("cr3t")).collect();
    assert!(!secret.is_empty(), "{log}");
    for line in secret {
        let (program, has) = line.split_once(' ').unwrap();
        // In a server's container, `docker` hands it on.
        let connects = ["docker", "pg_dump", "psql"].contains(&program);
        assert!(connects && has.starts_with("has PGPASSWORD="), "{line}");
    }
    let folder = format!("backups/arc/{}", workspace.list("backups/arc")[0]);
    for file in workspace.list(&folder) {
        let bytes = std::fs::read(workspace.path(&format!("{folder}/{file}"))).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("cr3t"), "{file}");
    }
    drop_role(&workspace, "programs");
}
