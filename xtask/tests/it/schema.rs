//! `db schema`, `db diagram` and `db new`: the real Diesel CLI too, in workspaces generated for each case.

mod diagram;
mod new;
mod print;
mod throwaway;
