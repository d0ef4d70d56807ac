//! The only gate before data is destroyed: the data is shown, and a person has to type its name.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::database::stake::Stake;
use crate::database::state::State;
use crate::database::target::{Target, Visit};
use crate::pg::{Connection, Params};
use crate::ui::failure::{Failure, Kind, Result};
use crate::ui::progress::Progress;

/// How a destructive command is confirmed without a terminal.
#[derive(clap::Args)]
pub(crate) struct Confirmation {
    /// Confirm with the name of the database, instead of typing it; once for each database
    #[arg(long, value_name = "NAME")]
    pub(crate) yes: Vec<String>,
    /// Allow this on a protected database, or on another machine
    #[arg(long)]
    pub(crate) force: bool,
}

/// What is about to be destroyed.
pub(crate) struct Danger {
    /// What a person has to type: the name of the database, or of the workspace's folder.
    name: String,
    /// In a sentence, after "this destroys".
    what: String,
    /// What goes with it, and who will notice; a line each.
    details: Vec<String>,
    /// Why the name alone is not enough.
    force: Vec<Failure>,
}

impl Danger {
    /// For something that is not a database.
    pub(crate) fn new(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            what: what.into(),
            details: Vec::new(),
            force: Vec::new(),
        }
    }

    /// Adds a line about it.
    #[must_use]
    pub(crate) fn and(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// For `what` in a database that every guard let the service into.
    ///
    /// # Errors
    /// The server can't be reached any more.
    pub(crate) fn to(visit: &mut Visit<'_>, what: &str) -> Result<Self> {
        let mut connection = visit.connection()?;
        let Target { service, url, .. } = visit.target;
        let danger = Self::new(&url.database, what);
        let owner = Some(service.name.as_str());
        let danger = danger.and_database(&url.params, owner, &visit.state, &mut connection);
        visit.idle = Some(connection);
        Ok(danger)
    }

    /// Adds a database that goes, with what is in it.
    #[must_use]
    pub(crate) fn and_database(
        mut self,
        params: &Params,
        owner: Option<&str>,
        state: &State,
        connection: &mut Connection,
    ) -> Self {
        let name = params.get("dbname").unwrap_or_default();
        let database = match owner {
            Some(owner) => format!("database `{name}` of service `{owner}`"),
            None => format!("database `{name}`"),
        };
        self.details.push(format!("{database}: {params}"));
        self.details.extend(match Stake::read(connection) {
            Ok(stake) => stake.lines(),
            Err(error) => vec![format!("its content can't be read: {error}")],
        });
        let refused = |reason: &str| {
            let message = format!(
                "refused: this would destroy {} in {database}, {reason}",
                self.what
            );
            Failure::new(Kind::NotConfirmed, message).at(params.to_string())
        };
        if !params.is_local() {
            let failure = refused("which is not on this machine");
            self.force
                .push(failure.help("to do it anyway, add `--force`"));
        }
        if state.is_protected() {
            let failure = refused("which is protected");
            let off = format!(
                "cargo xtask db protect {} --off",
                owner.unwrap_or("SERVICE")
            );
            self.force.push(failure.help(format!(
                "to do it anyway, add `--force`, or remove the protection: {off}"
            )));
        }
        self
    }
}

/// Whether a database needs `--force`: then every destruction in it has to be confirmed.
pub(crate) fn is_guarded(target: &Target<'_>, state: &State) -> bool {
    !target.url.params.is_local() || state.is_protected()
}

impl Confirmation {
    /// Shows what goes, and lets a destructive command go on only where its name was typed, or given with `--yes`; of a
    /// database that is protected or not on this machine, with `--force` besides.
    ///
    /// # Errors
    /// Not confirmed, for any reason.
    pub(crate) fn of(&self, progress: &Progress, danger: &Danger) -> Result<()> {
        let Danger {
            name,
            what,
            details,
            force,
        } = danger;
        if let Some(refusal) = force.first().filter(|_| !self.force) {
            return Err(refusal.clone());
        }
        progress.warning(&format!("This destroys {what}."));
        for detail in details {
            progress.warning(&format!("  {detail}"));
        }
        let refused = |message: String| {
            Failure::new(Kind::NotConfirmed, message)
                .help(format!("nothing was changed; to confirm: --yes '{name}'"))
        };
        if self.yes.contains(name) {
            return Ok(());
        }
        if !self.yes.is_empty() {
            let given = self.yes.join("`, `");
            return Err(refused(format!(
                "not confirmed: `--yes {given}` is not the name `{name}`"
            )));
        }
        if !std::io::stdin().is_terminal() {
            return Err(refused(format!(
                "not confirmed: this destroys {what}, and there is no terminal to ask on"
            )));
        }
        anstream::eprint!("Type {name} to confirm: ");
        let mut answer = String::new();
        let read = std::io::stderr()
            .flush()
            .and_then(|()| std::io::stdin().lock().read_line(&mut answer));
        match read {
            Ok(_) if answer.trim() == name => Ok(()),
            // Ctrl-D leaves the cursor behind the question.
            Ok(0) => {
                anstream::eprintln!();
                Err(refused("not confirmed".to_owned()))
            }
            _ => Err(refused("not confirmed".to_owned())),
        }
    }
}
