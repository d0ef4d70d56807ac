//! What `db check` finds: a file per check, or a few of a kind; [`table`] lists them all.

pub(crate) mod annotations;
mod comments;
mod ddl;
mod diesel_toml;
pub(crate) mod env_files;
pub(crate) mod finding;
mod folders;
pub(crate) mod gitignore;
mod layout;
pub(crate) mod live;
pub(crate) mod offline;
pub(crate) mod rules;
pub(crate) mod sarif;
pub(crate) mod scope;
pub(crate) mod scratch;
mod settings;
pub(crate) mod shown;
mod statement;
pub(crate) mod switched_off;
pub(crate) mod table;
mod transaction;

pub(crate) use ddl::unsafe_ddl;
pub(crate) use finding::{Finding, Found};
