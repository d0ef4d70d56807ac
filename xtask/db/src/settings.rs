//! What the workspace says of its services, for tasks that are no verbs of `db`.

use std::path::{Path, PathBuf};

use crate::ui::failure::Failure;
use crate::workspace::Workspace;

/// The services of a workspace, and the PostgreSQL that they may meet.
#[derive(Debug)]
pub struct Settings {
    /// The folder of the workspace.
    pub root: PathBuf,
    /// Major versions, as they are written; local servers run the last one.
    pub postgres: Vec<String>,
    /// By name, those without a database too.
    pub services: Vec<Service>,
}

/// A service.
#[derive(Debug)]
pub struct Service {
    /// The package's name.
    pub name: String,
    /// The folder of its `Cargo.toml`.
    pub folder: PathBuf,
    /// The versions that it may meet, of the workspace's; none where it has no database.
    pub postgres: Vec<String>,
}

impl Settings {
    /// Reads the settings of the workspace around `folder`.
    ///
    /// # Errors
    /// There is no workspace, or its settings have faults: all of them, each with its remedy.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let (workspace, faults) = Workspace::find_with_faults(folder).map_err(error)?;
        faults.result().map_err(error)?;
        let with_database = workspace.services.into_iter().map(|service| Service {
            name: service.name,
            folder: service.folder,
            postgres: service.postgres,
        });
        let without = workspace.stateless.into_iter().map(|service| Service {
            name: service.name,
            folder: service.folder,
            postgres: Vec::new(),
        });
        let mut services: Vec<_> = with_database.chain(without).collect();
        services.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            root: workspace.root,
            postgres: workspace.postgres,
            services,
        })
    }
}

fn error(failure: Failure) -> anyhow::Error {
    let mut text = failure.message;
    for help in failure.help {
        text += &format!("\n  help: {}", help.trim_end().replace('\n', "\n  "));
    }
    anyhow::Error::msg(text)
}
