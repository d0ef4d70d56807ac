//! `db fix`: the layout is repaired, nothing is guessed, and everything can be put back.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Files;

#[test]
fn the_accident_is_explained_repaired_and_brought_back() {
    let files = Files::accident();
    let before = files.everything();
    files.finds(&[
        ("shared-database-url", "", ".env", 2),
        ("env-template", "", ".env.template", 1),
        ("root-alembic-ini", "", "alembic.ini", 0),
        ("root-diesel-toml", "", "diesel.toml", 0),
        ("root-migrations", "", "migrations", 0),
        ("stateless-diesel-toml", "ai", "services/ai/diesel.toml", 0),
        ("stateless-migrations", "ai", "services/ai/migrations", 0),
        ("env-template", "arc", ".env.template", 0),
        ("env-template", "cv", ".env.template", 0),
    ]);

    // A dry run shows it all, no password, and changes nothing.
    files
        .db("fix --dry-run")
        .exits(0)
        .says("- migrations/versions/0001_create.py")
        .says("+ARC_DATABASE_URL=postgres://u:***@localhost:5432/arc_db?sslmode=prefer")
        .says("+/migration_backups/")
        .does_not_say("geheim");
    assert_eq!(files.everything(), before);
    assert!(files.backups().is_empty());

    files
        .db("fix")
        .exits(0)
        .does_not_say("geheim")
        .says("--restore");
    files.finds(&[]);
    assert_eq!(
        files.read(".env"),
        "# mine\nDATABASE_URL='postgres://u:geheim@localhost:5432/all?sslmode=prefer'\nRUST_LOG=info\n\
         ARC_DATABASE_URL=postgres://u:geheim@localhost:5432/arc_db?sslmode=prefer\n\
         CV_DATABASE_URL=postgres://u:geheim@localhost:5432/cv_db?sslmode=prefer\n"
    );
    let [backup] = files.backups().try_into().unwrap();
    let folder = files.path("migration_backups").join(&backup);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("files/.env")), 0o600);
    files.db("fix").exits(0).says("nothing to repair");

    files.db(&format!("fix --restore {backup}")).exits(0);
    assert_eq!(files.everything(), before);
    // Again, and by its folder: it is as it was already.
    files
        .db(&format!("fix --restore migration_backups/{backup}"))
        .exits(0)
        .says("every file is as it was");
    assert_eq!(files.everything(), before);
}

/// A run that is killed before it renames what it wrote beside a file leaves that, passwords and all.
#[test]
fn what_a_killed_run_wrote_beside_a_file_goes_when_its_backup_is_put_back() {
    let files = Files::accident();
    let mine = "..env.mine.tmp";
    files.write(mine, "");
    let before = files.everything();
    files.db("fix").exits(0);
    let [backup] = files.backups().try_into().unwrap();
    files.write("..env.a1B2c3.tmp", "DATABASE_URL=geheim");
    files.db(&format!("fix --restore {backup}")).exits(0);
    assert_eq!(files.everything(), before);
}

#[test]
fn what_changed_since_is_not_overwritten() {
    let files = Files::accident();
    files.db("fix").exits(0);
    let [backup] = files.backups().try_into().unwrap();
    files.append(".env", "MINE=1\n");
    files.write("alembic.ini", "new");
    let before = files.everything();
    files
        .db(&format!("fix --restore {backup}"))
        .exits(2)
        .says("`.env`")
        .says("`alembic.ini`")
        .says("nothing was touched")
        .does_not_say("geheim");
    assert_eq!(files.everything(), before);
}

#[test]
fn a_damaged_or_unknown_backup_is_refused() {
    let files = Files::accident();
    files.db("fix").exits(0);
    let [backup] = files.backups().try_into().unwrap();
    files.write(
        &format!("migration_backups/{backup}/files/alembic.ini"),
        "x",
    );
    let before = files.everything();
    files
        .db(&format!("fix --restore {backup}"))
        .exits(2)
        .says("damaged");
    assert_eq!(files.everything(), before);
    files.db("fix --restore nothing").exits(2).says(&backup);
    // Of a run that was killed while it copied.
    files.write("migration_backups/half/files/alembic.ini", "x");
    files
        .db("fix --restore half")
        .exits(2)
        .says("ended before it changed anything");
    // A list that leads out of the workspace.
    let list = format!("migration_backups/{backup}/manifest.json");
    files.write(
        &list,
        &files
            .read(&list)
            .replace("\"alembic.ini\"", "\"../alembic.ini\""),
    );
    files
        .db(&format!("fix --restore {backup}"))
        .exits(2)
        .says("not in the workspace");
    assert_eq!(files.everything(), before);
}

#[test]
fn a_run_that_was_interrupted_anywhere_can_be_put_back() {
    let files = Files::accident();
    let before = files.everything();
    files.db("fix").exits(0);
    let after = files.everything();
    let [backup] = files.backups().try_into().unwrap();
    // Whatever part of the changes was made: here each alone is taken back by hand.
    for path in [
        "alembic.ini",
        "services/ai/diesel.toml",
        "migrations/env.py",
        ".env.template",
    ] {
        let path = files.path(path);
        let (mode, bytes) = &before[&path];
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
        files.db(&format!("fix --restore {backup}")).exits(0);
        assert_eq!(files.everything(), before);
        // Forward again, by the same bytes.
        for path in before
            .keys()
            .rev()
            .filter(|path| !after.contains_key(*path))
        {
            let removed = if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir(path)
            } else {
                std::fs::remove_file(path)
            };
            removed.unwrap();
        }
        for (path, (mode, bytes)) in after.iter().filter(|(path, _)| !path.is_dir()) {
            std::fs::write(path, bytes).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        assert_eq!(files.everything(), after);
    }
}

#[test]
fn a_backup_that_fails_changes_nothing() {
    let files = Files::accident();
    // Neither a file, a folder nor a link: it can't be copied.
    let socket = files.path("migrations/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    files.db("fix").exits(2).says("socket");
    assert!(files.path("alembic.ini").exists());
    assert!(files.backups().is_empty());
}

#[test]
fn diesel_toml_is_written_or_its_paths_are_mended() {
    const FILE: &str = "services/arc/diesel.toml";
    let files = Files::with(&["arc"]);
    std::fs::remove_file(files.path(FILE)).unwrap();
    files.db("fix").exits(0);
    files.finds(&[]);

    let files = Files::with(&["arc"]);
    let absolute = files
        .path("services/arc/migrations")
        .canonicalize()
        .unwrap();
    files.write(
        FILE,
        &format!(
            "# kept\n[migrations_directory]\ndir = \"{}\"\n\n[print_schema]\nfile = '../schema.rs' # too\nwith_docs = true\n",
            absolute.display()
        ),
    );
    files.db("fix").exits(0);
    assert_eq!(
        files.read(FILE),
        "# kept\n[migrations_directory]\ndir = \"migrations\"\n\n[print_schema]\nfile = \"src/schema.rs\" # too\nwith_docs = true\n"
    );
    files.finds(&[]);
}

#[test]
fn what_diesel_does_anyway_is_said_in_metadata() {
    let files = Files::with(&["arc"]);
    let metadata = "services/arc/migrations/2026-01-01-000000_create/metadata.toml";
    for (before, after) in [
        ("", "run_in_transaction = false\n"),
        ("# why", "# why\nrun_in_transaction = false\n"),
        ("# why\r\n", "# why\r\nrun_in_transaction = false\r\n"),
        (
            "[other]\na = 1\n",
            "run_in_transaction = false\n[other]\na = 1\n",
        ),
    ] {
        files.write(metadata, before);
        files
            .db("fix")
            .exits(0)
            .says("Diesel already runs it without a transaction");
        assert_eq!(files.read(metadata), after);
    }
}

#[test]
fn env_is_added_to_and_never_overwritten() {
    let files = Files::with(&["arc", "cv"]);
    // No `.env`: the template without its examples, for its owner only.
    files.db("fix").exits(0);
    assert_eq!(files.read(".env"), "ARC_DATABASE_URL=\nCV_DATABASE_URL=\n");
    let mode = |file| files.path(file).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(".env"), 0o600);
    files.write(".env", "ARC_DATABASE_URL=mine\n");
    // A file without secrets is for everybody.
    files.remove(".env.template");
    files.db("fix").exits(0);
    assert_eq!(mode(".env.template"), 0o644);
    files.db("fix").exits(0);
    assert_eq!(
        files.read(".env"),
        "ARC_DATABASE_URL=mine\nCV_DATABASE_URL=\n"
    );
    // A file that can't be read as variables is left alone, and said.
    files.write(".env", "ARC_DATABASE_URL=mine\nno variable 'geheim\n");
    files
        .db("fix")
        .exits(1)
        .says("line 2")
        .does_not_say("geheim");
    assert_eq!(
        files.read(".env"),
        "ARC_DATABASE_URL=mine\nno variable 'geheim\n"
    );
}

#[test]
fn a_dry_run_shows_no_password_of_the_template() {
    let files = Files::accident();
    files.write(
        ".env.template",
        "DATABASE_URL=postgres://me:hush@db.example/app\nTOKEN=hush\n",
    );
    files
        .db("fix --dry-run")
        .says("+++ .env.template")
        .says("postgres://me:***@db.example/app")
        .does_not_say("hush");
}

#[test]
fn what_only_a_person_can_decide_is_explained() {
    let files = Files::with(&["arc"]);
    files.write(".env", "ARC_DATABASE_URL=\n");
    files.add_stateless("ai", "\n[dependencies]\ndiesel = \"2\"\n");
    files.append(".env.template", "OLD_DATABASE_URL=\n");
    files.write(
        "services/arc/diesel.toml",
        "[migrations_directory]\ndir = \"../../migrations\"\n",
    );
    std::fs::remove_dir_all(files.path("services/arc/migrations")).unwrap();
    files.write("migrations/1_x/up.sql", "SELECT 1;");
    files.write("migrations/1_x/down.sql", "SELECT 1;");
    let before = files.everything();
    for line in ["fix --dry-run", "fix"] {
        files
            .db(line)
            .exits(1)
            .says("4 findings")
            .says("services/ai/Cargo.toml:8: ")
            .says("OLD_DATABASE_URL")
            // The service would lose its migrations.
            .says("the diesel.toml of `arc` names it");
        assert_eq!(files.everything(), before);
    }
}

#[test]
fn what_is_allowed_stays() {
    let files = Files::with(&["arc"]);
    files.write(".env", "ARC_DATABASE_URL=\n");
    files.write("alembic.ini", "");
    files.append(
        "Cargo.toml",
        "\n[workspace.metadata.db.allow]\nroot-alembic-ini = \"of another team\"\n",
    );
    files.db("fix").exits(0).says("nothing to repair");
    assert!(files.path("alembic.ini").exists());
}

#[test]
fn a_link_is_not_written_through() {
    let files = Files::with(&["arc"]);
    files.write("elsewhere", "x=1\n");
    std::os::unix::fs::symlink("elsewhere", files.path(".env")).unwrap();
    files.db("fix").exits(0);
    assert_eq!(files.read("elsewhere"), "x=1\n");
    assert!(files.path(".env").is_symlink());
}

/// The list is there, synced, before the first change: whatever ends a run in the middle, all of it can be taken back.
#[cfg(target_os = "linux")]
#[test]
fn a_change_that_fails_half_way_is_put_back_by_the_list_that_was_there_before() {
    let files = Files::accident();
    // Outside of the workspace, which must be as it was.
    let folder = tempfile::TempDir::new().unwrap();
    let calls = crate::support::Calls::new(folder.path());
    let before = files.everything();
    let mut command = files.command("fix");
    calls.of(&mut command);
    command.env("FAILS", "/diesel.toml");
    crate::support::Run::of(&mut command, "fix")
        .exits(2)
        .says("stopped in the middle")
        .says("--restore");
    assert_ne!(files.everything(), before, "something was changed before");
    let [backup] = files.backups().try_into().unwrap();
    let place = files
        .path("migration_backups")
        .join(&backup)
        .canonicalize()
        .unwrap();
    let all = calls.all();
    let first_change = all
        .iter()
        .position(|(call, path, _)| call == "unlink" && path.ends_with("alembic.ini"));
    let (earlier, _) = all.split_at(first_change.unwrap());
    let synced = |name: &str| {
        let is = |path: &std::path::Path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            path.starts_with(&place) && (file == name || file.starts_with(&format!(".{name}.")))
        };
        earlier
            .iter()
            .any(|(call, path, _)| call == "fsync" && is(path))
    };
    for name in ["manifest.json", "alembic.ini", ".env.template"] {
        assert!(
            synced(name),
            "{name} was not synced before the first change: {all:#?}"
        );
    }
    // And the folder after the rename in it.
    assert!(
        earlier
            .iter()
            .any(|(call, path, _)| call == "fsync" && *path == place)
    );
    files.db(&format!("fix --restore {backup}")).exits(0);
    assert_eq!(files.everything(), before);
}

/// A file is replaced as a whole, never written into: what else leads to it keeps the old text.
#[test]
fn a_file_is_written_beside_and_renamed() {
    let files = Files::accident();
    let kept = tempfile::TempDir::new_in(files.root().parent().unwrap()).unwrap();
    let link = kept.path().join("env");
    std::fs::hard_link(files.path(".env"), &link).unwrap();
    let old = files.read(".env");
    files.db("fix").exits(0);
    let new = files.read(".env");
    assert_ne!(new, old);
    assert_eq!(std::fs::read_to_string(&link).unwrap(), old);
    // So are the files that are put back.
    std::fs::remove_file(&link).unwrap();
    std::fs::hard_link(files.path(".env"), &link).unwrap();
    let [backup] = files.backups().try_into().unwrap();
    files.db(&format!("fix --restore {backup}")).exits(0);
    assert_eq!(std::fs::read_to_string(&link).unwrap(), new);
    assert_eq!(files.read(".env"), old);
}

#[test]
fn a_file_that_was_new_is_gone_when_the_backup_is_put_back() {
    let files = Files::with(&["arc", "cv"]);
    let before = files.everything();
    files.db("fix").exits(0);
    assert!(files.path(".env").exists());
    let [backup] = files.backups().try_into().unwrap();
    files.db(&format!("fix --restore {backup}")).exits(0);
    assert_eq!(files.everything(), before);
}

#[test]
fn a_path_that_can_not_be_looked_at_is_not_taken_for_an_absent_one() {
    let files = Files::accident();
    files.db("fix").exits(0);
    let [backup] = files.backups().try_into().unwrap();
    // What was a folder on the way is a file by now.
    files.remove("services/ai");
    files.write("services/ai", "mine");
    let before = files.everything();
    files
        .db(&format!("fix --restore {backup}"))
        .exits(2)
        .says("services/ai");
    assert_eq!(files.everything(), before);
}
