//! `.env` as people write it.

use std::fs;

use super::{ODD, Random, SECRET, damaged, odd, rounds, service};
use crate::workspace::database_url::Variables;
use crate::workspace::dotenv;

fn line(random: &mut Random) -> String {
    let value = format!("{}{SECRET}{}", odd(random, 3), odd(random, 3));
    match random.below(8) {
        0 => format!("# {value}"),
        1 => String::new(),
        2 => format!("export ARC_DATABASE_URL={value}"),
        3 => format!("ARC_DATABASE_URL='{value}'"),
        4 => format!("OTHER=\"{value}\""),
        5 => value,
        6 => format!("ARC_DATABASE_URL=postgres://me:{value}@h/d"),
        _ => format!("{} = {value}", odd(random, 2)),
    }
}

#[test]
fn no_env_file_shows_a_value_or_panics() {
    let folder = tempfile::TempDir::new().unwrap();
    let (path, service) = (folder.path().join(".env"), service(folder.path()));
    let (mut read, mut faults) = (0, 0);
    rounds(800, |random| {
        let number = random.below(5);
        let end = random.choose(&["\n", "\r\n"]).unwrap();
        let mut text: String = (0..number).map(|_| line(random) + end).collect();
        if random.below(2) == 0 {
            text = damaged(random, &text, ODD);
        }
        fs::write(&path, &text).unwrap();
        match Variables::read(folder.path()) {
            Ok(variables) => {
                read += 1;
                let said = match variables.resolve(&service) {
                    Ok(url) => format!("{url:?} {}", url.place()),
                    Err(failure) => format!("{failure} {failure:?}"),
                };
                assert!(said.contains("DATABASE_URL"), "{text:?}: {said}");
                // What stands where a host or a database would is no password.
                let is_password = !text.contains("//") || text.contains("//me:");
                assert!(!is_password || !said.contains(SECRET), "{text:?}: {said}");
            }
            Err(fault) => {
                faults += 1;
                let said = format!("{fault:?}");
                assert!(!said.contains(SECRET), "{text:?}: {said}");
                assert_eq!(fault.file, ".env");
                super::has_line(&text, fault.line.unwrap_or_else(|| panic!("{text:?}")));
            }
        }
        // What is written keeps all other lines.
        let variables = [("NEW_URL".to_owned(), "x".to_owned())];
        let _ = dotenv::add(folder.path(), &variables);
        let written = fs::read_to_string(&path).unwrap();
        let kept = text.strip_prefix('\u{feff}').unwrap_or(&text);
        assert!(written.starts_with(kept), "{text:?}: {written:?}");
    });
    assert!(read > 0 && faults > 0, "{read} read, {faults} faults");
}
