//! What every verb works with: the workspace, its variables, and how to run.

use std::time::Duration;

use crate::database::guard::{self, Purpose};
use crate::database::state::State;
use crate::database::target::{Reader, Seen, Target, Visit};
use crate::migrations::Migrations;
use crate::pg::answer_timeout;
use crate::ui::failure::{Failure, Result};
use crate::ui::parallel;
use crate::ui::progress::{Progress, Shown};
use crate::ui::trace;
use crate::workspace::database_url::Variables;
use crate::workspace::fault::Fault;
use crate::workspace::{Service, Workspace};

/// The longest wait, in seconds, that clocks and servers can count: a hundred years.
const FOREVER: u64 = 100 * 365 * 24 * 60 * 60;

/// The options that every `db` command takes, listed after its own.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Services to work on at once
    #[arg(long, display_order = 901, global = true, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// How long to wait for another run
    #[arg(
        long,
        display_order = 902,
        global = true,
        value_name = "SECONDS",
        default_value_t = 60
    )]
    lock_timeout: u64,
    /// Print only results, warnings and errors
    #[arg(
        long,
        short,
        display_order = 903,
        global = true,
        conflicts_with = "verbose"
    )]
    quiet: bool,
    /// Print each statement and program, with its time
    #[arg(long, short, display_order = 904, global = true)]
    verbose: bool,
}

/// The workspace, and how to run.
pub(crate) struct App {
    pub(crate) workspace: Workspace,
    pub(crate) variables: Variables,
    /// What is wrong with the settings and `.env`, for the commands that are there to show it.
    pub(crate) faults: Vec<Fault>,
    unsound: Option<Failure>,
    pub(crate) jobs: usize,
    pub(crate) lock_timeout: Duration,
    pub(crate) progress: Progress,
    /// Print only results, warnings and errors.
    pub(crate) quiet: bool,
    /// Print also what is else only counted.
    pub(crate) verbose: bool,
}

impl App {
    /// Reads the workspace around the working directory.
    ///
    /// # Errors
    /// There is no workspace. Faults in its settings or in `.env` are kept: see [`sound`](Self::sound).
    pub(crate) fn new(options: &Options) -> Result<Self> {
        if options.verbose {
            trace::turn_on();
        }
        let here = std::env::current_dir().map_err(|error| {
            Failure::usage(format!("failed to find the working directory: {error}"))
        })?;
        answer_timeout().map_err(Failure::usage)?;
        let (workspace, faults) = Workspace::find_with_faults(&here)?;
        let mut unsound = faults.result().err();
        let mut faults = faults.0;
        let variables = Variables::read(&workspace.root).unwrap_or_else(|fault| {
            unsound.get_or_insert(Failure::from(&fault));
            faults.push(fault);
            Variables::none(&workspace.root)
        });
        Ok(Self {
            workspace,
            variables,
            faults,
            unsound,
            jobs: usize::from(options.jobs),
            lock_timeout: Duration::from_secs(options.lock_timeout.min(FOREVER)),
            progress: Progress::new(match (options.quiet, options.verbose) {
                (true, _) => Shown::Nothing,
                // What is traced would run into the spinners.
                (_, true) => Shown::Lines,
                _ => Shown::Best,
            }),
            quiet: options.quiet,
            verbose: options.verbose,
        })
    }

    /// Stops a command that relies on the settings where they have a fault.
    ///
    /// # Errors
    /// All faults in the settings, or the one in `.env`.
    pub(crate) fn sound(&self) -> Result<()> {
        self.unsound.clone().map_or(Ok(()), Err)
    }

    /// Resolves the services that `names` ask for; prints the WARNING where one falls back to `DATABASE_URL`.
    ///
    /// # Errors
    /// Every fault of every service: nothing has been connected to yet.
    pub(crate) fn targets(&self, names: &[String]) -> Result<Vec<Target<'_>>, Vec<Failure>> {
        let (mut targets, mut failures) = (Vec::new(), Vec::new());
        for (_, target) in self.each_target(names)? {
            match target {
                Ok(target) => targets.push(target),
                Err(failure) => failures.push(failure),
            }
        }
        if failures.is_empty() {
            Ok(targets)
        } else {
            Err(failures)
        }
    }

    /// As [`targets`](Self::targets), each service with its target or its fault.
    ///
    /// # Errors
    /// A name that is no service's.
    pub(crate) fn each_target(
        &self,
        names: &[String],
    ) -> Result<Vec<(&Service, Result<Target<'_>>)>> {
        let services = self.workspace.select(names)?.into_iter();
        let targets: Vec<_> = services
            .map(|service| (service, self.target(service)))
            .collect();
        let found = targets
            .iter()
            .filter_map(|(_, target)| target.as_ref().ok());
        for warning in found.filter_map(|target| target.url.warning(target.service)) {
            self.progress.warning(&warning);
        }
        Ok(targets)
    }

    fn target<'w>(&self, service: &'w Service) -> Result<Target<'w>> {
        let url = self.variables.resolve(service)?;
        Ok(Target {
            service,
            url,
            migrations: Migrations::read(service)?,
        })
    }

    /// As [`targets`](Self::targets), and refuses what can be seen to be wrong without connecting.
    ///
    /// # Errors
    /// Also the refusals.
    pub(crate) fn targets_to_write(
        &self,
        names: &[String],
    ) -> Result<Vec<Target<'_>>, Vec<Failure>> {
        let targets = self.targets(names)?;
        let pairs: Vec<_> = targets
            .iter()
            .map(|target| (target.service, target.url.clone()))
            .collect();
        let refusals = guard::before_connecting(&self.workspace, &pairs);
        if refusals.is_empty() {
            Ok(targets)
        } else {
            Err(refusals)
        }
    }

    /// Reads every target's database with `read`, writing nothing; `None` where the database is missing.
    pub(crate) fn look(&self, targets: &[Target<'_>], read: Reader) -> Vec<Result<Option<Seen>>> {
        parallel::each(self.jobs, targets, |target| {
            let mut seen = target.look(read)?;
            if let Some(seen) = seen.as_mut().filter(|_| targets.len() > 4 * self.jobs) {
                seen.idle = None;
            }
            Ok(seen)
        })
    }

    /// Looks at the databases of the services asked for, refuses two that are one, and has `work` visit each database
    /// that every guard lets the service into; the results are in the order of the services.
    ///
    /// # Errors
    /// What makes it wrong to go on with any of them.
    pub(crate) fn visit<'t, T: Send>(
        &'t self,
        targets: &'t [Target<'t>],
        purpose: Purpose,
        work: impl Fn(Visit<'t>) -> Result<T> + Sync,
    ) -> Result<Vec<Result<T>>, Vec<Failure>> {
        let mut seen = self.look(targets, State::read);
        if !all_own(targets, &seen) {
            seen = self.look(targets, State::read_identified);
        }
        let known = targets.iter().zip(&seen).filter_map(|(target, seen)| {
            let state = &seen.as_ref().ok()?.as_ref()?.state;
            Some((target.service, &target.url, state.identity.clone()?))
        });
        guard::distinct(&known.collect::<Vec<_>>())?;
        let work = |(target, seen): (&'t Target<'t>, Result<Option<Seen>>)| {
            let seen = seen?.ok_or_else(|| target.url.missing(target.service))?;
            work(Visit::admitted(self, target, seen, purpose)?)
        };
        let pairs: Vec<_> = targets.iter().zip(seen).collect();
        Ok(parallel::each(self.jobs, pairs, work))
    }
}

/// Whether no two services can be on one of these databases: each says that it is its service's own, or which it is.
fn all_own(targets: &[Target<'_>], seen: &[Result<Option<Seen>>]) -> bool {
    let known = targets.iter().zip(seen).filter_map(|(target, seen)| {
        let state = &seen.as_ref().ok()?.as_ref()?.state;
        Some((
            state.owner() == Some(&target.service.name),
            state.identity.is_some(),
        ))
    });
    let known: Vec<_> = known.collect();
    known.iter().all(|(is_own, _)| *is_own) || known.iter().all(|(_, is_identified)| *is_identified)
}
