//! `db schema` and `db new`: the real binary, the real Diesel CLI, a real server, in workspaces generated for each case.

mod new;
mod print;
mod support;
mod throwaway;
