//! `db schema` and `db new`: the real Diesel CLI too, in workspaces generated for each case.

mod new;
mod print;
mod throwaway;
