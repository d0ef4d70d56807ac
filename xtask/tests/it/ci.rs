//! `matrix`, `test` and `ci`: in repositories generated for each case, computed is held against expected.

mod affected;
mod matrix;
mod repository;
mod steps;
mod tested;
mod workflow;
