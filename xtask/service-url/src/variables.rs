use std::collections::HashMap;
use std::env::VarError;
use std::path::{Path, PathBuf};

use crate::{Error, FALLBACK, Origin, Result, ServiceUrl};

/// The variables that URLs are taken from: the environment, then the `.env` at the workspace's root,
/// read once.
pub struct Variables {
    dotenv: HashMap<String, String>,
    path: Option<PathBuf>,
}

/// A value that is not blank, without space around it, and where it was found.
pub type Value = (String, Origin);

impl Variables {
    /// Reads the `.env` at `root` if there is one.
    ///
    /// # Errors
    /// It can't be read, or has a line that is not `NAME=value`.
    pub fn read(root: Option<&Path>) -> Result<Self> {
        let mut variables = Self::without_file(root);
        let Some(path) = &variables.path else {
            return Ok(variables);
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(variables),
            Err(source) => {
                let path = path.clone();
                return Err(Error::File { path, source });
            }
        };
        // Of no variable's name, though an editor may have put it before the first.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for line in dotenvy::from_read_iter(text.as_bytes()) {
            let (name, value) = line.map_err(|error| unreadable(path, text, error))?;
            variables.dotenv.insert(name, value);
        }
        Ok(variables)
    }

    /// Those of a `.env` that was read already, at `path`.
    #[must_use]
    pub fn of(dotenv: HashMap<String, String>, path: PathBuf) -> Self {
        let path = Some(path);
        Self { dotenv, path }
    }

    /// Only those of the environment, as if there were no `.env` at `root`.
    #[must_use]
    pub fn without_file(root: Option<&Path>) -> Self {
        Self {
            dotenv: HashMap::new(),
            path: root.map(|root| root.join(".env")),
        }
    }

    /// Where the `.env` is, or would be.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The value that the `.env` gives a variable, if it is not blank.
    #[must_use]
    pub fn in_file(&self, name: &str) -> Option<&str> {
        let value = self.dotenv.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// The value of a variable that is set and not blank. `environment` is [`std::env::var`].
    ///
    /// # Errors
    /// The environment's value is not valid UTF-8.
    pub fn get(
        &self,
        name: &str,
        environment: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Option<Value>> {
        let origin = |file| Origin {
            variable: name.to_owned(),
            file,
        };
        match environment(name) {
            Ok(value) if !value.trim().is_empty() => {
                return Ok(Some((value.trim().to_owned(), origin(None))));
            }
            Err(VarError::NotUnicode(_)) => {
                return Err(Error::NotUnicode {
                    variable: name.to_owned(),
                });
            }
            Ok(_) | Err(VarError::NotPresent) => {}
        }
        let value = self.in_file(name);
        Ok(value.map(|value| (value.to_owned(), origin(self.path.clone()))))
    }

    /// The URL of `service`, whose own variable is `variable`: that variable, else the fallback.
    /// `environment` is [`std::env::var`].
    ///
    /// # Errors
    /// No variable is set, or one is not valid UTF-8.
    pub fn find(
        &self,
        service: &str,
        variable: &str,
        environment: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<ServiceUrl> {
        let found = match self.get(variable, &environment)? {
            Some(own) => Some(own),
            None => self.get(FALLBACK, &environment)?,
        };
        let Some((text, origin)) = found else {
            return Err(Error::Missing {
                service: service.to_owned(),
                variable: variable.to_owned(),
                file: self.path.clone(),
            });
        };
        Ok(ServiceUrl {
            text,
            origin,
            service: service.to_owned(),
            variable: variable.to_owned(),
        })
    }
}

fn unreadable(path: &Path, text: &str, error: dotenvy::Error) -> Error {
    let path = path.to_owned();
    match error {
        dotenvy::Error::Io(source) => Error::File { path, source },
        // The error's own text repeats the line.
        _ => Error::Line {
            path,
            line: Some(faulty_line(text)),
        },
    }
}

/// The line, from 1, at which a `.env` that can't be read stops being `NAME=value`: where a value that goes over several
/// begins.
#[must_use]
pub fn faulty_line(text: &str) -> usize {
    let reads = |text: &str| dotenvy::from_read_iter(text.as_bytes()).all(|line| line.is_ok());
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    let starts: Vec<_> = std::iter::once(0).chain(ends).collect();
    let last = starts.iter().rposition(|start| reads(&text[..*start]));
    last.map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use std::env::VarError;
    use std::ffi::OsString;

    use super::Variables;
    use crate::{Error, Origin, ServiceUrl, find};

    const OWN: &str = "ARC_DATABASE_URL";

    /// What is found with this `.env`, if there is one, and this environment; the folder is that of `.env`.
    fn found(
        dotenv: Option<&str>,
        environment: &[(&str, &str)],
    ) -> (tempfile::TempDir, Result<ServiceUrl, Error>) {
        let root = tempfile::tempdir().unwrap();
        if let Some(text) = dotenv {
            std::fs::write(root.path().join(".env"), text).unwrap();
        }
        let lookup = |name: &str| {
            let value = environment.iter().find(|(known, _)| *known == name);
            value
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        };
        let url = find("arc", OWN, Some(root.path()), lookup);
        (root, url)
    }

    /// The text and the origin, with `.env` for the file's path.
    fn place(dotenv: Option<&str>, environment: &[(&str, &str)]) -> (String, String) {
        let (root, url) = found(dotenv, environment);
        let url = url.unwrap();
        let folder = format!("{}/", root.path().display());
        (url.text, url.origin.to_string().replace(&folder, ""))
    }

    #[test]
    fn the_nearest_of_four_places_counts() {
        let dotenv = format!("DATABASE_URL=d\nexport {OWN}='c'\n");
        // As some editors on Windows save it.
        let marked = format!("\u{feff}{OWN}=c\n");
        let generic = "DATABASE_URL=d\n";
        let (own_env, generic_env) = ((OWN, "a"), ("DATABASE_URL", "b"));
        for (dotenv, environment, text, origin) in [
            (
                &*dotenv,
                &[own_env, generic_env][..],
                "a",
                "ARC_DATABASE_URL in the environment",
            ),
            (&dotenv, &[generic_env], "c", "ARC_DATABASE_URL in .env"),
            (&dotenv, &[], "c", "ARC_DATABASE_URL in .env"),
            (&marked, &[], "c", "ARC_DATABASE_URL in .env"),
            (
                generic,
                &[generic_env],
                "b",
                "DATABASE_URL in the environment",
            ),
            (generic, &[], "d", "DATABASE_URL in .env"),
        ] {
            let place = place(Some(dotenv), environment);
            assert_eq!(place, (text.to_owned(), origin.to_owned()));
        }
        assert_eq!(place(None, &[own_env]).0, "a");
    }

    #[test]
    fn the_fallback_alone_warns() {
        let (_, url) = found(None, &[("DATABASE_URL", "u")]);
        let url = url.unwrap();
        assert!(url.is_fallback());
        assert_eq!(
            url.warning().unwrap(),
            "WARNING: Using generic DATABASE_URL for service 'arc'; set ARC_DATABASE_URL"
        );
        let (_, url) = found(Some("ARC_DATABASE_URL=u"), &[]);
        assert_eq!(url.unwrap().warning(), None);
    }

    #[test]
    fn blank_is_not_set_and_space_around_does_not_count() {
        let blank = [(OWN, " "), ("DATABASE_URL", "")];
        let (text, origin) = place(Some("ARC_DATABASE_URL=' u '"), &blank);
        assert_eq!((&*text, &*origin), ("u", "ARC_DATABASE_URL in .env"));
        let (text, origin) = place(
            Some("ARC_DATABASE_URL=\nDATABASE_URL=' '"),
            &[("DATABASE_URL", " u\n")],
        );
        assert_eq!((&*text, &*origin), ("u", "DATABASE_URL in the environment"));
        let (_, none) = found(Some("ARC_DATABASE_URL=\n"), &blank);
        assert!(matches!(none, Err(Error::Missing { .. })), "{none:?}");
    }

    #[test]
    fn without_a_url_the_message_says_where_to_set_it() {
        let (root, none) = found(None, &[]);
        let none = none.unwrap_err();
        assert_eq!(none.to_string(), "service `arc` has no database URL");
        let file = root.path().join(".env");
        let help = format!("set {OWN} in the environment or in {}", file.display());
        assert_eq!(none.help(), Some(help));
        let none = find("arc", OWN, None, |_| Err(VarError::NotPresent)).unwrap_err();
        assert_eq!(
            none.help().as_deref(),
            Some("set ARC_DATABASE_URL in the environment")
        );
    }

    #[test]
    fn a_bad_line_is_an_error_even_if_the_environment_has_the_url_and_is_not_shown() {
        let (root, bad) = found(
            Some("# local\nARC_DATABASE_URL='postgres://me:secret@h/d\n"),
            &[(OWN, "u")],
        );
        let bad = bad.unwrap_err();
        assert_eq!(
            bad.to_string(),
            format!(
                "failed to read `{}`: line 2 is not NAME=value",
                root.path().join(".env").display()
            )
        );
        assert!(!format!("{bad:?}{bad}").contains("secret"));
        assert!(bad.help().unwrap().contains("single quotes"));
    }

    #[test]
    fn a_file_that_is_a_folder_can_not_be_read() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(".env")).unwrap();
        let unreadable = find("arc", OWN, Some(root.path()), |_| Ok("u".to_owned()));
        assert!(
            matches!(unreadable, Err(Error::File { .. } | Error::Line { .. })),
            "{unreadable:?}"
        );
        // The environment alone would do.
        let variables = Variables::without_file(Some(root.path()));
        let url = variables.find("arc", OWN, |_| Ok("u".to_owned())).unwrap();
        assert_eq!(url.origin.file, None);
    }

    #[test]
    fn a_value_that_is_not_unicode_is_an_error() {
        let broken = |_: &str| Err(VarError::NotUnicode(OsString::new()));
        let error = find("arc", OWN, None, broken).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ARC_DATABASE_URL in the environment is not valid UTF-8"
        );
    }

    #[test]
    fn a_parents_file_is_not_read_and_debug_hides_the_url() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join(".env"), "ARC_DATABASE_URL=u").unwrap();
        let root = parent.path().join("workspace");
        std::fs::create_dir(&root).unwrap();
        let none = find("arc", OWN, Some(&root), |_| Err(VarError::NotPresent));
        assert!(matches!(none, Err(Error::Missing { .. })), "{none:?}");

        let url = find("arc", OWN, None, |_| {
            Ok("postgres://me:secret@h/d".to_owned())
        })
        .unwrap();
        assert!(!format!("{url:?}").contains("secret"));
        let origin = Origin {
            variable: OWN.to_owned(),
            file: None,
        };
        assert_eq!(url.origin, origin);
    }
}
