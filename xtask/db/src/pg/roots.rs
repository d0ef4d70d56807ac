//! Where this system keeps the authorities that it trusts. An OpenSSL that is built in looks in a folder of its own, which
//! no system has; and `sslrootcert=system` itself is known to libpq from PostgreSQL 16 on only, a file to every `pg_dump`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::raw::default_roots;

/// The store that `sslrootcert=system` means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// All of it is one file.
    File(String),
    /// OpenSSL finds it by itself.
    Default,
}

/// Finds the store: what `SSL_CERT_FILE` and `SSL_CERT_DIR` say, as OpenSSL reads them; its own file; the file that systems
/// usually have; its own folder.
///
/// # Errors
/// There is none; with what to do.
pub(super) fn roots() -> Result<Roots, String> {
    let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let [file, folder] = default_roots();
    choose(
        set(openssl_probe::ENV_CERT_FILE),
        set(openssl_probe::ENV_CERT_DIR).is_some(),
        file.map(PathBuf::from),
        openssl_probe::probe().cert_file,
        folder.as_deref().map(Path::new),
    )
}

fn choose(
    variable: Option<OsString>,
    names_folder: bool,
    own: Option<PathBuf>,
    usual: Option<PathBuf>,
    own_folder: Option<&Path>,
) -> Result<Roots, String> {
    if names_folder {
        return Ok(Roots::Default);
    }
    let named = variable.map(PathBuf::from);
    let file = named.or_else(|| own.filter(|path| path.exists())).or(usual);
    if let Some(file) = file.as_deref().and_then(Path::to_str) {
        return Ok(Roots::File(file.to_owned()));
    }
    match own_folder.filter(|path| path.exists()) {
        Some(_) => Ok(Roots::Default),
        None => Err(
            "sslrootcert=system, but no store of certificates was found on this system: install `ca-certificates`, or set \
             SSL_CERT_FILE to the file of the authorities that you trust"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_what_the_variables_say_or_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["own.pem", "usual.pem"] {
            std::fs::write(path(name), "").unwrap();
        }
        let (own, usual) = (path("own.pem"), path("usual.pem"));
        let (none, here) = (path("none"), folder.path().to_path_buf());
        let file = |path: &PathBuf| Ok(Roots::File(path.to_str().unwrap().to_owned()));
        let choose =
            |variable: Option<&str>, own: &PathBuf, usual: Option<&PathBuf>, dir: &PathBuf| {
                choose(
                    variable.map(OsString::from),
                    false,
                    Some(own.clone()),
                    usual.cloned(),
                    Some(dir),
                )
            };
        // As where OpenSSL is built in: neither its file nor its folder is there.
        assert_eq!(choose(None, &none, Some(&usual), &none), file(&usual));
        assert_eq!(choose(None, &own, Some(&usual), &here), file(&own));
        assert_eq!(choose(None, &none, None, &here), Ok(Roots::Default));
        let refused = choose(None, &none, None, &none).unwrap_err();
        assert!(refused.contains("SSL_CERT_FILE"), "{refused}");
        // The file that the variable names is not checked.
        let named = choose(Some("/no/ca.pem"), &own, Some(&usual), &here);
        assert_eq!(named, file(&"/no/ca.pem".into()));
        let both = super::choose(Some("/a".into()), true, Some(own), Some(usual), None);
        assert_eq!(both, Ok(Roots::Default));
    }
}
