//! URLs, by libpq's grammar and beside it.

use service_url::Origin;

use super::{ODD, Random, SECRET, damaged, odd, rounds};
use crate::pg::Params;
use crate::workspace::database_url::DatabaseUrl;

/// A password that has the secret as a word of its own, however it is spelled.
fn password(random: &mut Random) -> String {
    format!("{}{SECRET}{}", odd(random, 3), odd(random, 3)).replace('\0', "")
}

/// As a URL has it: every byte encoded but for some that need not be.
fn encoded(random: &mut Random, text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() && random.below(4) > 0 {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02x}"),
    };
    text.bytes().map(byte).collect()
}

/// A text with a password, and whether it is right.
fn url(random: &mut Random, password: &str) -> (String, bool) {
    let host = random
        .choose(&["h", "[::1]", "127.0.0.1,h", "%2Frun", ""])
        .unwrap();
    let rest = random
        .choose(&[
            "/d",
            "/d%22x",
            "/d?sslmode=disable",
            "/d?application_name=a",
        ])
        .unwrap();
    match random.below(5) {
        0 | 1 => {
            let login = encoded(random, password);
            (format!("postgres://me:{login}@{host}:5433{rest}"), true)
        }
        2 => {
            let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
            (format!("user=me password='{quoted}' host=h dbname=d"), true)
        }
        3 => {
            let given = encoded(random, password);
            let key = random.choose(&["password", "sslpassword"]).unwrap();
            (format!("postgres://me@{host}/d?{key}={given}"), true)
        }
        _ => (format!("postgres://me:{password}@{host}:5433{rest}"), false),
    }
}

/// What every place that shows a URL makes of it.
fn shown(text: &str) -> String {
    let origin = Origin {
        variable: "ARC_DATABASE_URL".to_owned(),
        file: None,
    };
    match DatabaseUrl::parse(text, origin) {
        Ok(url) => format!("{url:?} {} {}", url.place(), url.params),
        Err(failure) => {
            assert!(failure.message.contains("ARC_DATABASE_URL"), "{failure:?}");
            format!("{failure} {failure:?}")
        }
    }
}

#[test]
fn no_url_shows_its_password_or_panics() {
    let mut parsed = 0;
    rounds(2000, |random| {
        let password = password(random);
        let (text, is_right) = url(random, &password);
        let said = shown(&text);
        assert!(!said.contains(SECRET), "{text:?}: {said}");
        let Ok(params) = Params::parse(&text) else {
            assert!(!is_right, "{text:?}: {said}");
            return;
        };
        parsed += 1;
        if is_right {
            let given = [params.get("password"), params.get("sslpassword")];
            assert!(given.contains(&Some(password.as_str())), "{text:?}");
        }
        let quoted = format!("FATAL: it is {password} .");
        let said = params.redact(&quoted);
        assert!(!is_right || !said.contains(SECRET), "{text:?}: {said}");
        if let Ok(child) = params.for_child() {
            assert!(!child.conninfo.contains(SECRET), "{text:?}");
        }
    });
    assert!(parsed > 0, "nothing was parsed");
}

#[test]
fn no_text_that_is_no_url_panics() {
    rounds(2000, |random| {
        let (mut text, _) = url(random, "x");
        for _ in 0..=random.below(4) {
            text = damaged(random, &text, ODD);
        }
        shown(&text);
    });
}
