//! Which PostgreSQL a server is, in full: minor releases differ in what they fix and in what they keep in the catalog.

use std::fmt;

/// A release of PostgreSQL, such as 15.20; ordered by age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    major: u32,
    minor: u32,
    /// As the server writes it: `15.20`, `19beta1`.
    text: String,
}

impl Release {
    /// Understands what `SHOW server_version` and `postgres --version` say after the name: packagers add words.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.split_whitespace().next()?;
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        // Before a release, as in 19beta1, there is none.
        let minor = match text.split_once('.') {
            Some(_) => numbers.next()?.parse().ok()?,
            None => 0,
        };
        let text = text.to_owned();
        Some(Self { major, minor, text })
    }

    /// As the server writes it, without the packager's words.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    /// How far it is from a wanted major version: of two as far, the later one is nearer, and the newest minor release.
    pub(crate) fn distance(&self, wanted: u32) -> impl Ord + use<> {
        let minor = std::cmp::Reverse(self.minor);
        (self.major.abs_diff(wanted), self.major < wanted, minor)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn releases_are_read_as_servers_write_them() {
        for (text, major, shown) in [
            ("15.20 (Debian 15.20-0+deb12u1)", 15, "15.20"),
            ("18.6", 18, "18.6"),
            ("19beta1", 19, "19beta1"),
        ] {
            let release = Release::parse(text).unwrap();
            assert_eq!((release.major(), &*release.to_string()), (major, shown));
        }
        assert!(Release::parse("").is_none() && Release::parse("devel").is_none());
    }

    #[test]
    fn the_nearest_release_is_of_the_wanted_version_and_the_newest() {
        let nearest = |wanted| {
            let all = ["15.9", "15.20", "15.18", "17.2", "17.10"];
            let all = all.map(|text| Release::parse(text).unwrap());
            let best = all.iter().min_by_key(|it| it.distance(wanted));
            best.unwrap().to_string()
        };
        assert_eq!(
            [15, 16, 17, 18, 14].map(nearest),
            ["15.20", "17.10", "17.10", "17.10", "15.20"]
        );
    }
}
