//! What the checks of files look at: each file is read once, for all of them.

use std::io;
use std::path::Path;

use crate::app::App;
use crate::migrations::folder::Folder;
use crate::ui::parallel;
use crate::workspace::Service;
use crate::workspace::diesel_toml::DieselToml;
use crate::workspace::dotenv::Dotenv;

/// The services that are looked at, and the files at the root.
pub(crate) struct Scope<'c> {
    pub(crate) app: &'c App,
    pub(crate) services: Vec<Subject<'c>>,
    /// Whether all of the workspace is: its root and its stateless services too.
    pub(crate) whole: bool,
    pub(crate) env: Dotenv,
    pub(crate) template: Dotenv,
}

/// A service with its files.
pub(crate) struct Subject<'c> {
    pub(crate) service: &'c Service,
    pub(crate) diesel: DieselToml<'c>,
    /// The migrations, by name.
    pub(crate) folders: Vec<Folder>,
    /// Why they can't be looked at.
    pub(crate) unreadable: Option<io::Error>,
}

/// A file of SQL, and how it will be run.
pub(crate) struct SqlFile<'s> {
    /// From the workspace's root.
    pub(crate) file: String,
    pub(crate) sql: &'s str,
    pub(crate) in_transaction: bool,
    /// Whether it is a down.sql, whose purpose is to drop things.
    pub(crate) down: bool,
}

impl<'c> Scope<'c> {
    pub(crate) fn read(app: &'c App, services: Vec<&'c Service>, whole: bool) -> Self {
        let root = &app.workspace.root;
        Self {
            services: parallel::each(app.jobs, services, Subject::read),
            app,
            whole,
            env: Dotenv::of(root),
            template: Dotenv::template(root),
        }
    }

    /// All of the workspace.
    pub(crate) fn whole(app: &'c App) -> Self {
        Self::read(app, app.workspace.services.iter().collect(), true)
    }

    /// A path as it is shown.
    pub(crate) fn shown(&self, path: &Path) -> String {
        self.app.workspace.shown(path)
    }

    /// The files of SQL in a folder.
    pub(crate) fn sql<'f>(&self, folder: &'f Folder) -> impl Iterator<Item = SqlFile<'f>> {
        folder.texts().map(|(path, sql)| SqlFile {
            file: self.shown(&path),
            sql,
            in_transaction: folder.metadata.in_transaction(),
            down: path.ends_with("down.sql"),
        })
    }
}

impl<'c> Subject<'c> {
    fn read(service: &'c Service) -> Self {
        let diesel = DieselToml::read(service);
        let read = diesel.folder_to_check().map(|folder| Folder::all(&folder));
        let (folders, unreadable) = match read {
            None => (Vec::new(), None),
            Some(Ok(folders)) => (folders, None),
            Some(Err(error)) => (Vec::new(), Some(error)),
        };
        Self {
            service,
            diesel,
            folders,
            unreadable,
        }
    }
}
