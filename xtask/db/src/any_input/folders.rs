//! The names of migrations' folders.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::{ODD, Random, damaged, rounds, service};
use crate::migrations::folder::Folder;
use crate::migrations::{Migrations, version};

fn name(random: &mut Random) -> String {
    let names = [
        "2024-02-29-235959_a",
        "2024-02-29-235959-ffff_a",
        "2024-02-29-235959-ffffffff_a",
        "20240229235959_a",
        "9999999999999_a",
        "00000000000000_diesel_initial_setup",
        "0001_a",
        "_a",
        "a",
    ];
    let mut name = random.choose(&names).unwrap().to_owned();
    for _ in 0..random.below(3) {
        name = damaged(random, &name, ODD);
    }
    name.replace(['/', '\0'], "")
}

#[test]
fn no_name_of_a_folder_panics_or_hides_a_migration() {
    let now = UNIX_EPOCH + Duration::from_secs(1_709_251_199);
    rounds(200, |random| {
        let folder = tempfile::TempDir::new().unwrap();
        let migrations = folder.path().join("migrations");
        fs::create_dir(&migrations).unwrap();
        fs::write(folder.path().join("diesel.toml"), "").unwrap();
        let mut names: Vec<_> = (0..=random.below(4)).map(|_| name(random)).collect();
        names.retain(|name| !name.is_empty() && !name.starts_with('.'));
        names.sort();
        names.dedup();
        for name in &names {
            fs::create_dir(migrations.join(name)).unwrap();
            fs::write(migrations.join(name).join("up.sql"), "SELECT 1;").unwrap();
        }
        let found = Folder::all(&migrations).unwrap();
        let found: Vec<_> = found.into_iter().map(|folder| folder.name).collect();
        assert_eq!(found, names);
        match Migrations::read(&service(folder.path())) {
            Ok(migrations) => assert_eq!(migrations.texts().count(), names.len()),
            Err(failure) => {
                // Two that are one, or one that is none.
                let named = names.iter().any(|name| failure.message.contains(name));
                assert!(named, "{names:?}: {failure:?}");
            }
        }
        let newest = names.last().map(String::as_str);
        let next = version::version(newest, now);
        assert!(
            next.bytes()
                .all(|it| it.is_ascii_digit() || it.is_ascii_hexdigit() || it == b'-'),
            "{next}"
        );
    });
}
