//! The real binary on real PostgreSQL, in workspaces generated for each case.

mod adopting;
mod backup;
mod check_confined;
mod check_live;
mod check_offline;
mod check_throwaway;
mod ci;
mod destroying;
mod failures;
mod fix;
mod guards;
mod interrupted;
mod main_job;
mod names;
mod passwords;
mod plain_diesel;
mod reading;
mod readme;
mod reverting;
mod roles;
mod runner;
mod schema;
mod settings;
mod shown;
mod support;
mod up;
