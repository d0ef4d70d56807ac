//! The question before something is destroyed.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::ui::failure::{Failure, Kind, Result};
use crate::workspace::Service;
use crate::workspace::database_url::DatabaseUrl;

/// How a destructive command is confirmed without a terminal.
#[derive(clap::Args)]
pub(crate) struct Confirmation {
    /// Confirm with the name of the database, instead of typing it
    #[arg(long, value_name = "NAME")]
    yes: Option<String>,
    /// Also on a host that is not this machine
    #[arg(long)]
    force: bool,
}

/// Lets a destructive command go on only when the database's name was typed, or given with `--yes`.
///
/// # Errors
/// Not confirmed, or not this machine and no `--force`.
pub(crate) fn destructive(
    given: &Confirmation,
    url: &DatabaseUrl,
    service: &Service,
    what: &str,
) -> Result<()> {
    let refused = |message: String| Failure::new(Kind::NotConfirmed, message);
    if !url.params.is_local() && !given.force {
        return Err(refused(format!(
            "refused: this would destroy {what} in database `{}` of service `{}`, which is not on this machine",
            url.database, service.name
        ))
        .help(url.place())
        .help("if that is what you want, add `--force`"));
    }
    named(
        given.yes.as_deref(),
        &url.database,
        &format!("{what} in {}", url.params),
    )
}

/// Asks for `name`, unless `--yes` gives it.
///
/// # Errors
/// Another name, or nobody to ask.
pub(crate) fn named(yes: Option<&str>, name: &str, what: &str) -> Result<()> {
    let refused = |message: String| {
        Failure::new(Kind::NotConfirmed, message)
            .help(format!("nothing was changed; to confirm: --yes '{name}'"))
    };
    match yes {
        Some(yes) if yes == name => return Ok(()),
        Some(yes) => {
            return Err(refused(format!(
                "not confirmed: `--yes {yes}` is not the name `{name}`"
            )));
        }
        None => {}
    }
    if !std::io::stdin().is_terminal() {
        return Err(refused(format!(
            "not confirmed: this destroys {what}, and there is no terminal to ask on"
        )));
    }
    anstream::eprint!("This destroys {what}.\nType {name} to go on: ");
    let mut answer = String::new();
    let read = std::io::stderr()
        .flush()
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    match read {
        Ok(_) if answer.trim() == name => Ok(()),
        _ => Err(refused("not confirmed".to_owned())),
    }
}
