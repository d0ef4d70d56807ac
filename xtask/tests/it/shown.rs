//! What the tool shows, whole: stdout, stderr and the exit code of each case are kept in `snapshots/`.

mod checks;
mod guards;
mod help;
mod offline;
mod running;
mod screens;
mod settings;
